"""Which rows of an episode a rollout reads: chunks, history, stride. The only place where frames are counted.

A chunk is `frames` frames and its first is the current frame, so that it adds `frames` - 1 new ones: 14 chunks of 5
are 57 frames. Times are counted in model frames from the first frame of the rollout; row = start + stride * time. The
history of a chunk lies at ages (model frames before the current one). What would lie before the first frame is the
first frame, as the released rollout code fills its buffer with it (Ctrl-World, scripts/rollout_replay_traj.py).
"""

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np

Pattern = Literal["replay", "training"]
Frame = TypeVar("Frame")


class TooShort(ValueError):
    """An episode has fewer rows than the rollout asked for."""


@dataclass(frozen=True)
class Timing:
    """history: frames remembered; frames: of a chunk, the current one included; stride: rows from one model frame to
    the next; pattern: "training" (as the base was trained) or "replay" (as its rollout script reads its buffer)."""

    history: int = 6
    frames: int = 5
    stride: int = 1
    pattern: Pattern = "replay"

    def __post_init__(self) -> None:
        for name, least in (("history", 1), ("frames", 2), ("stride", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}: at least {least} is needed")
        if self.pattern not in ("replay", "training"):
            raise ValueError(f"history pattern {self.pattern!r} is not known: replay or training")

    @property
    def new(self) -> int:
        """Frames that a chunk adds."""
        return self.frames - 1

    @property
    def ages(self) -> tuple[int | None, ...]:
        """Model frames before the current one, oldest first; None: the rollout's first frame.

        With 6 and 5: training 24, 20, 16, 12, 8, 4; replay first, first, 28, 20, 12, 4. A history of 1 or 2 has room
        for 0 or 1 first frames in the replay pattern.
        """
        if self.pattern == "training":
            return tuple(self.new * n for n in range(self.history, 0, -1))
        firsts = min(2, self.history - 1)
        return (None,) * firsts + tuple(self.new * (2 * n + 1) for n in range(self.history - firsts - 1, -1, -1))

    def unique(self, chunks: int) -> int:
        """Different frames of a rollout, the first one included."""
        return chunks * self.new + 1

    def rows_needed(self, chunks: int) -> int:
        """Rows from the first to the last frame of a rollout, both included."""
        return (self.unique(chunks) - 1) * self.stride + 1

    def longest(self, n_rows: int) -> int:
        """Chunks of the longest rollout that `n_rows` rows allow."""
        return max(0, n_rows - 1) // (self.new * self.stride)

    def starts(self, n_rows: int, chunks: int) -> range:
        """First rows that allow the whole rollout; empty: the episode is too short."""
        return range(max(0, n_rows - self.rows_needed(chunks) + 1))

    def require(self, n_rows: int, chunks: int, who: str) -> None:
        """Raises TooShort where `who` is too short for `chunks` chunks. Nothing is ever clamped to the last row."""
        if not self.starts(n_rows, chunks):
            raise TooShort(
                f"{who} has {n_rows} rows: a rollout of {chunks} chunks ({self.unique(chunks)} frames, stride "
                f"{self.stride}) needs {self.rows_needed(chunks)}; it allows {self.longest(n_rows)} chunks"
            )

    def rows(self, start: int, chunks: int) -> np.ndarray:
        """Rows of all frames of a rollout, int64 [unique]."""
        return start + self.stride * np.arange(self.unique(chunks), dtype=np.int64)

    def chunk_rows(self, start: int, chunk: int) -> np.ndarray:
        """Rows of chunk number `chunk` (from 0), int64 [frames]: the current frame, then the new ones."""
        return start + self.stride * (chunk * self.new + np.arange(self.frames, dtype=np.int64))

    def history_times(self, now: int) -> list[int]:
        """Times of the history when the current frame's is `now`, oldest first."""
        return [0 if age is None else max(0, now - age) for age in self.ages]

    def history_rows(self, start: int, chunk: int) -> np.ndarray:
        """Rows of the history of chunk number `chunk` of a rollout begun at `start`, int64 [history], oldest first."""
        return start + self.stride * np.array(self.history_times(chunk * self.new), dtype=np.int64)

    def action_rows(self, start: int, chunk: int) -> np.ndarray:
        """Rows whose states condition a chunk, int64 [history + frames]: the history's, then the chunk's."""
        return np.concatenate([self.history_rows(start, chunk), self.chunk_rows(start, chunk)])


class History(Generic[Frame]):
    """The frames a rollout remembers, each with its time: one a chunk, no more than `timing` will ask for again.

    What a frame is (latents, pixels; of one rollout or of a batch) is the caller's.
    """

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.reach = max(age for age in timing.ages if age is not None)
        self.kept: dict[int, Frame] = {}

    def begin(self, first: Frame) -> None:
        """Starts a rollout at time 0: what is asked for before it is `first`."""
        self.kept = {0: first}

    def add(self, frame: Frame, time: int) -> None:
        """Remembers the last frame of a chunk, the current one from now on. Raises ValueError: no later time."""
        if not self.kept or time <= max(self.kept):
            raise ValueError(
                f"a frame of time {time} was added to those of times {sorted(self.kept)}: begin, then go on"
            )
        self.kept[time] = frame
        for old in [one for one in self.kept if one and one < time - self.reach]:  # the first frame stays
            del self.kept[old]

    def taken(self, now: int) -> list[Frame]:
        """The history of the chunk whose current frame has time `now`, oldest first. ValueError: not remembered."""
        return [self._at(time) for time in self.timing.history_times(now)]

    def _at(self, time: int) -> Frame:
        if time not in self.kept:
            raise ValueError(f"no frame of time {time} is remembered: there are {sorted(self.kept)}")
        return self.kept[time]

    def copy(self) -> "History[Frame]":
        """A history of its own for a branch: what is added to it is not seen by the others. Frames are shared."""
        other: History[Frame] = History(self.timing)
        other.kept = dict(self.kept)
        return other
