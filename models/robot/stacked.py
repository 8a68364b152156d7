"""Views of a robot's cameras as one picture: stacked on the height axis in latents, apart in pixels."""

from torch import Tensor


def stack(latents: Tensor) -> Tensor:
    """[..., V, C, h, w] -> [..., C, V h, w]: the first view on top."""
    return latents.transpose(-4, -3).flatten(-3, -2)


def unstack(x: Tensor, views: int) -> Tensor:
    """[..., C, V h, w] -> [..., V, C, h, w]."""
    return x.unflatten(-2, (views, -1)).transpose(-4, -3)
