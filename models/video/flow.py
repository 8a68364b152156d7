"""The straight path between data and noise, and means over one state: shared by the samplers and the losses.

sigma is 1 at noise and 0 at data, x_sigma = (1 - sigma) x_data + sigma noise, v = noise - x_data. The WMSD paper's flow
time is t = 1 - sigma and its velocity -v, so x, the predictions below and every squared difference are the same.
"""

import torch
from torch import Tensor

from models.video.protocol import Condition


def full_precision(x: Tensor) -> Tensor:
    """x as float32, or as it is where it is float32 or float64: half precision is for networks, not for losses."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def along(sigma: Tensor, x: Tensor) -> Tensor:
    """Levels [] or [N] in the shape and dtype that multiplies states x [N, ...] row by row."""
    return sigma.to(x).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))


def renoise(x0: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """x_sigma [N, ...] between data x0 and `noise` [N, ...] at levels sigma [] or [N] (WMSD A.9, with t = 1 - sigma).

    Exact at both ends and wherever x0 equals `noise`: given `model.start(noise, condition)` as noise, the elements that
    a model holds stay what they are, and their target velocity is 0.
    """
    return torch.lerp(x0, noise, along(sigma, x0))


class Flow:
    """The forward process of models.video.protocol.VideoModel on the straight path, for flow models to inherit."""

    def noised(self, x0: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        return renoise(x0, noise, sigma)

    def target(self, x0: Tensor, noise: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        return noise - x0

    def start(self, noise: Tensor, condition: Condition) -> Tensor:
        return noise


def clean_prediction(x: Tensor, v: Tensor, sigma: Tensor) -> Tensor:
    """The data x - sigma v that velocity v [N, ...] predicts from x [N, ...] at sigma [] or [N]: mu of WMSD Eq. 16.

    True of EDM's models too, whose denoiser it gives back.
    """
    return x - along(sigma, x) * v


def mean_over_state(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean of x [N, ...] over all dimensions but the first -> float64 [N], counting masked-in elements only.

    `mask` is of 1 and 0 and broadcasts to one state x[0]; None counts all. Sums are float64, so that a row's mean does
    not depend on what else is in the batch, beyond 1e-15. All 0 gives NaN. Raises ValueError for a mask of another
    shape.
    """
    if mask is None:
        return x.flatten(1).mean(1, dtype=torch.float64)
    state = x.shape[1:]
    try:
        weight = mask.to(x).expand(state)
    except RuntimeError:
        raise ValueError(f"mask has shape {tuple(mask.shape)}: it must broadcast to one state {tuple(state)}") from None
    return (x * weight).flatten(1).sum(1, dtype=torch.float64) / weight.sum(dtype=torch.float64)


def check_straight(model: object, what: str) -> None:
    """Raises ValueError, naming `what` needs it, for a model whose path from data to noise is not this file's."""
    if not isinstance(model, Flow):
        raise ValueError(f"{what} needs the straight path of flow models, but {type(model).__name__} has another one")
