"""When each frame of a clip is shown, and where decoding may start, in the stream's own integer ticks.

Times stay integers until they are shown to a person: a tick is `time_base` seconds, and rounding through floating-point
seconds would land beside a keyframe sooner or later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, pairwise

import numpy as np

MAX_FRAMES = 20_000_000  # 92 hours at 60 fps; a table that claims more is damaged or hostile


def encode_runs(pts: Sequence[int]) -> list[int]:
    """`[first, delta, count, delta, count, ...]`: exact for any sequence, three numbers for a constant frame rate."""
    values = [int(value) for value in pts]
    if not values:
        return []
    runs = [values[0]]
    for delta, group in groupby(after - before for before, after in pairwise(values)):
        runs += [delta, sum(1 for _ in group)]
    return runs


def decode_runs(runs: Sequence[int]) -> np.ndarray:
    """The int64 array that `encode_runs` was given; raises ValueError for runs it cannot have made."""
    values = [int(value) for value in runs]
    if not values:
        return np.empty(0, np.int64)
    deltas, counts = values[1::2], values[2::2]
    if len(deltas) != len(counts) or any(count < 1 for count in counts):
        raise ValueError(f"pts runs {values[:7]}...: expected [first, delta, count >= 1, ...]")
    if sum(counts) >= MAX_FRAMES:
        raise ValueError(f"pts runs hold {sum(counts) + 1} frames: at most {MAX_FRAMES} are supported")
    steps = np.repeat(np.asarray(deltas, np.int64), np.asarray(counts, np.int64))
    return np.concatenate([[0], np.cumsum(steps)]) + np.int64(values[0])


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """Presentation times of a clip.

    pts: int64 [n], strictly increasing, one per frame that is shown. keyframe_pts: int64 [k], strictly increasing,
    packets at which decoding may start; those before pts[0] are keyframes that an edit list hides but that frames
    depend on. time_base: seconds per tick. counted: the packets' own times are absent, or tell the order of decoding:
    the n-th frame shown is the one at pts[n], and is found by counting. Raises ValueError when an array is empty or
    unsorted, when no keyframe is at or before pts[0], or when the time base is not positive.
    """

    pts: np.ndarray
    keyframe_pts: np.ndarray
    time_base: Fraction
    counted: bool = False

    def __post_init__(self):
        for name in ("pts", "keyframe_pts"):
            array = np.asarray(getattr(self, name), dtype=np.int64)
            if array.ndim != 1 or not len(array):
                raise ValueError(f"{name} has shape {array.shape}: a non-empty list of times is expected")
            if np.any(array[1:] <= array[:-1]):
                raise ValueError(f"{name} is not strictly increasing: sort it and drop duplicates first")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if self.time_base <= 0:
            raise ValueError(f"time_base {self.time_base} is not positive")
        if self.keyframe_pts[0] > self.pts[0]:
            raise ValueError(
                f"the first keyframe ({self.keyframe_pts[0]}) comes after the first frame ({self.pts[0]}): "
                "frames that no keyframe governs cannot be decoded and must not be in the index"
            )

    @classmethod
    def from_row(cls, row: dict) -> "FrameIndex":
        """The index of a row of curation.schemas.CLIPS; raises ValueError as the constructor does."""
        return cls(
            decode_runs(row["pts_runs"]),
            np.asarray(row["keyframe_pts"], np.int64),
            Fraction(row["time_base_num"], row["time_base_den"]),
            bool(row.get("counted")),
        )

    def to_row(self) -> dict:
        """The index's columns of curation.schemas.CLIPS."""
        return {
            "time_base_num": self.time_base.numerator,
            "time_base_den": self.time_base.denominator,
            "pts_runs": encode_runs(self.pts.tolist()),
            "keyframe_pts": self.keyframe_pts.tolist(),
            "counted": self.counted,
        }

    def exact_seconds(self, pts: int) -> Fraction:
        """Seconds after the first frame, exactly."""
        return (int(pts) - int(self.pts[0])) * self.time_base

    def seconds(self, pts: int) -> float:
        """Seconds after the first frame."""
        return float(self.exact_seconds(pts))

    @property
    def shown_keyframes(self) -> np.ndarray:
        """int64: the keyframes that are also shown, in order."""
        return np.intersect1d(self.keyframe_pts, self.pts, assume_unique=True)
