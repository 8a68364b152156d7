"""Rewards from a judge: yes/no questions about videos, asked in batches while the next videos are sampled.

The reward of a question is log p(yes) - log p(no) (WMSD section 3.3). A failed call is asked again, then masked: it is
NaN with `failed` set, never a low reward.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from models.vlm.build import VLMOptions

Question = Literal["task", "agent", "consistency"]


class JudgeOptions(BaseModel):
    """Who judges videos, what is asked, and how much may fail. Unknown names are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vlm: VLMOptions = Field(default_factory=VLMOptions, description="The model that judges.")
    questions: tuple[Question, ...] = Field(
        ("task", "agent", "consistency"), min_length=1, description="What is asked of each video, in one request each."
    )
    frames: int = Field(8, ge=2, le=256, description="Evenly spaced frames that the judge sees, first and last too.")
    image_format: Literal["png", "jpeg"] = Field("png", description="How frames are sent: png loses nothing.")
    concurrency: int = Field(32, ge=1, le=4096, description="Most requests in flight.")
    timeout_s: float = Field(300.0, gt=0, le=7200, description="Seconds for one attempt at a request.")
    retries: int = Field(2, ge=0, le=50, description="Further attempts at a request that failed.")
    retry_wait_s: float = Field(1.0, ge=0, le=600, description="Seconds before the second attempt; doubles each time.")
    max_failed_share: float = Field(
        0.2, ge=0, le=1, description="Share of a question's judgements that may fail before the run stops."
    )

    @field_validator("questions")
    @classmethod
    def _asked_once(cls, value: tuple[Question, ...]) -> tuple[Question, ...]:
        if len(set(value)) != len(value):
            raise ValueError(f"questions {list(value)}: each is expected once")
        return value


class TooManyFailures(RuntimeError):
    """The judge failed for a larger share of videos than the recipe accepts."""


@dataclass(frozen=True)
class Judgements:
    """Answers about N videos by question: `log_odds` float64 [N], NaN where `failed` bool [N] is set.

    `requests` counts attempts, `seconds` runs from submission to the last answer, `last_error` is "" when none failed.
    """

    log_odds: dict[str, np.ndarray]
    failed: dict[str, np.ndarray]
    seconds: float
    requests: int
    last_error: str = ""

    def __len__(self) -> int:
        return len(next(iter(self.failed.values())))

    def failures(self) -> dict[str, int]:
        """Failed judgements by question."""
        return {question: int(mask.sum()) for question, mask in self.failed.items()}

    @staticmethod
    def cat(parts: Sequence["Judgements"]) -> "Judgements":
        """The judgements of batches that were asked the same questions, in their order; `seconds` is the slowest's."""
        return Judgements(
            {name: np.concatenate([part.log_odds[name] for part in parts]) for name in parts[0].log_odds},
            {name: np.concatenate([part.failed[name] for part in parts]) for name in parts[0].failed},
            max(part.seconds for part in parts),
            sum(part.requests for part in parts),
            next((part.last_error for part in reversed(parts) if part.last_error), ""),
        )


def check_failures(judgements: Judgements, share: float) -> None:
    """Raises TooManyFailures when more than `share` of a question's judgements failed, and more than one did."""
    count = len(judgements)
    over = {name: lost for name, lost in judgements.failures().items() if lost > max(1, share * count + 1e-9)}
    if over:
        counts = ", ".join(f"{name} {lost} of {count}" for name, lost in over.items())
        raise TooManyFailures(
            f"judgements failed: {counts}, where {share:.0%} may; the last error was: {judgements.last_error}"
        )


def frame_indices(total: int, wanted: int) -> tuple[int, ...]:
    """`wanted` evenly spaced indices of `total` frames, the first and the last among them; all when there are fewer."""
    if total <= wanted:
        return tuple(range(total))
    return tuple(round(i * (total - 1) / (wanted - 1)) for i in range(wanted))


def checked(videos: np.ndarray, tasks: Sequence[str], fps: float) -> np.ndarray:
    """`videos` as uint8 [N, T, H, W, 3], N >= 1 of them with one task each.

    Takes a torch tensor on the CPU or a numpy array. Raises ValueError for another shape or type, for videos of mixed
    sizes, and for fps that is no positive number.
    """
    if isinstance(videos, list | tuple):
        shapes = sorted({tuple(video.shape) for video in videos})
        raise ValueError(f"videos come as a list of shapes {shapes}: one array uint8 [N, T, H, W, 3] is expected")
    pixels = np.asarray(videos)
    if pixels.dtype != np.uint8 or pixels.ndim != 5 or pixels.shape[-1] != 3 or 0 in pixels.shape:
        raise ValueError(f"videos are {pixels.dtype} {list(pixels.shape)}: uint8 [N, T, H, W, 3] is expected")
    if len(tasks) != len(pixels):
        raise ValueError(f"{len(pixels)} videos with {len(tasks)} tasks: one task a video is expected")
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"fps {fps}: a positive number of frames a second is expected")
    return pixels
