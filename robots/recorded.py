"""What every layout gives: a list of entries, cheap, and of each entry what was recorded."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from robots.episode import Finding, Footage


@dataclass(frozen=True)
class Entry:
    """An episode that a source lists. split: the source's own, "" where it has none; scene: "" where it names none."""

    episode_id: str
    split: str = ""
    scene: str = ""
    finding: Finding | None = None  # it cannot be read, and why


@dataclass(frozen=True)
class Recorded:
    """One episode as it lies in the files, before any rule.

    states: float64 [N, columns]. rows: as the annotation says, if it does. footage: by view, in the model's order.
    """

    states: np.ndarray
    footage: Mapping[str, Footage]
    text: str = ""
    rows: int | None = None
    findings: list[Finding] = field(default_factory=list)


class Layout(Protocol):
    fps: float

    def entries(self) -> Iterator[Entry]: ...

    def read(self, entry: Entry) -> Recorded:
        """Raises robots.rules.Refused."""


@dataclass(frozen=True)
class Wanted:
    """What is read of a source. views: view -> the source's name of its camera, in the model's order. states: names of
    the source's arrays, side by side the contract's columns; commands: of those that may not hold NaN either. columns:
    the contract's names. angles: which are Euler angles. fps: rows a second where the source does not say it."""

    views: Mapping[str, str]
    states: tuple[str, ...]
    commands: tuple[str, ...]
    columns: tuple[str, ...]
    angles: tuple[int, ...]
    fps: float | None = None
