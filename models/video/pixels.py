"""Between bytes and latents: checks, sizes, ranges, encoders and decoders fed a few at a time, noise from seeds."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from models.video.protocol import VideoShape


def check_size(shape: VideoShape, spatial: int, temporal: int, model: str) -> None:
    """Raises ValueError naming the nearest sizes that fit, unless height and width are multiples of `spatial` pixels
    and the frames are one more than a multiple of `temporal`."""
    for name in ("height", "width"):
        value = getattr(shape, name)
        if value % spatial:
            below = value // spatial * spatial
            right = f"{below} or {below + spatial}" if below else f"{spatial}"
            raise ValueError(f"{name}: {value} pixels do not fit {model}: use a multiple of {spatial}, e.g. {right}")
    if (shape.frames - 1) % temporal:
        below = (shape.frames - 1) // temporal * temporal + 1
        raise ValueError(
            f"frames: {shape.frames} do not fit {model}: use 1 + a multiple of {temporal}, e.g. "
            f"{below} or {below + temporal}"
        )


def check_images(images: Tensor, shape: VideoShape) -> None:
    """Raises ValueError unless `images` is uint8 [B, H, W, 3] of the shape's height and width."""
    _check("images", images, (shape.height, shape.width, 3))


def check_videos(videos: Tensor, shape: VideoShape) -> None:
    """Raises ValueError unless `videos` is uint8 [B, T, H, W, 3] of the shape's frames, height and width."""
    _check("videos", videos, (shape.frames, shape.height, shape.width, 3))


def _check(what: str, batch: Tensor, wanted: tuple[int, ...]) -> None:
    if batch.dtype != torch.uint8 or batch.shape[1:] != wanted:
        right = f"uint8 [B, {', '.join(map(str, wanted))}]"
        raise ValueError(f"{what} are {batch.dtype} {list(batch.shape)}: give {right}")


def fit(image: np.ndarray, shape: VideoShape) -> np.ndarray:
    """uint8 [h, w, 3] -> uint8 [H, W, 3]: scaled until it just covers the video, then cut to its centre.

    Areas are averaged on the way down, cubic interpolation on the way up; an image of the right size stays as it is.
    """
    import cv2

    height, width = image.shape[:2]
    scale = max(shape.height / height, shape.width / width)
    size = (max(shape.width, round(width * scale)), max(shape.height, round(height * scale)))
    if size != (width, height):
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    top, left = (size[1] - shape.height) // 2, (size[0] - shape.width) // 2
    return np.ascontiguousarray(image[top : top + shape.height, left : left + shape.width])


def cut_share(size: tuple[int, int], shape: tuple[int, int]) -> float:
    """The share of a picture's area that `fit` cuts away: of `size` for a video of `shape`, both (height, width)."""
    picture, video = size[1] / size[0], shape[1] / shape[0]
    return 1 - min(picture, video) / max(picture, video)


def to_unit(videos: Tensor) -> Tensor:
    """uint8 [B, T, H, W, 3] -> float32 [B, 3, T, H, W] in [-1, 1]."""
    return videos.permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def to_bytes(videos: Tensor) -> Tensor:
    """[B, 3, T, H, W] in about [-1, 1] -> uint8 [B, T, H, W, 3] on the CPU."""
    pixels = ((videos.float().clamp(-1, 1) + 1) * 127.5).round()
    return pixels.to(torch.uint8).permute(0, 2, 3, 4, 1).contiguous().cpu()


def in_chunks(function: Callable[[Tensor], Tensor], batch: Tensor, size: int) -> Tensor:
    """`function` over [B, ...], `size` of them at a time: what a VAE can hold, and the same however many come."""
    return torch.cat([function(part) for part in batch.split(size)])


def draw(seeds: Sequence[int], *shapes: tuple[int, ...]) -> list[Tensor]:
    """Standard normal float32 [B, *shape] for each shape. Each seed has a CPU generator of its own, which draws the
    shapes in order: what diffusers' pipelines draw from `[torch.Generator().manual_seed(seed) for seed in seeds]`."""
    generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
    return [torch.stack([torch.randn(shape, generator=generator) for generator in generators]) for shape in shapes]
