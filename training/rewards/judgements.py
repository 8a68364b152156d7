"""Rewards from a judge: yes/no questions about videos, asked in batches while the next videos are sampled.

The reward of a question is log p(yes) - log p(no) (WMSD section 4.1). A failed call is asked again, then masked: it is
NaN, never a low reward.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Judgements:
    """Answers about N videos by question: `log_odds` float64 [N], NaN where the judge failed.

    `requests` counts attempts, `last_error` is "" when none failed. `mass` float64 [N] is the least p(yes) + p(no) of
    a video's answers, those that failed for want of it among them; NaN where none is known.
    """

    log_odds: dict[str, np.ndarray]
    requests: int
    last_error: str = ""
    mass: np.ndarray | None = None

    @property
    def masses(self) -> np.ndarray:
        """`mass`, NaN where there is none."""
        return np.full(len(next(iter(self.log_odds.values()))), np.nan) if self.mass is None else self.mass

    @staticmethod
    def cat(parts: Sequence["Judgements"]) -> "Judgements":
        """The judgements of batches that were asked the same questions, in their order."""
        return Judgements(
            {name: np.concatenate([part.log_odds[name] for part in parts]) for name in parts[0].log_odds},
            sum(part.requests for part in parts),
            next((part.last_error for part in reversed(parts) if part.last_error), ""),
            np.concatenate([part.masses for part in parts]),
        )


def checked(videos: np.ndarray, tasks: Sequence[str], fps: float) -> np.ndarray:
    """`videos` as uint8 [N, T, H, W, 3], N >= 1 of them with one task each.

    Takes a torch tensor on the CPU or a numpy array. Raises ValueError for another shape or type, for videos of mixed
    sizes, and for fps that is no positive number.
    """
    if isinstance(videos, list | tuple):
        shapes = sorted({tuple(video.shape) for video in videos})
        raise ValueError(f"videos are a list with shapes {shapes}: give one array uint8 [N, T, H, W, 3]")
    pixels = np.asarray(videos)
    if pixels.dtype != np.uint8 or pixels.ndim != 5 or pixels.shape[-1] != 3 or 0 in pixels.shape:
        raise ValueError(f"videos are {pixels.dtype} {list(pixels.shape)}: give uint8 [N, T, H, W, 3]")
    if len(tasks) != len(pixels):
        raise ValueError(f"{len(pixels)} videos with {len(tasks)} tasks: give one task for each video")
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"fps {fps}: give a positive number of frames per second")
    return pixels
