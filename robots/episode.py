"""An episode of a robot as every layout gives it: states and, for each view, where its frames lie."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Finding:
    """What a loader rule found. `rule` names it (robots/rules.py); `refused`: the episode cannot be used for it."""

    rule: str
    message: str
    refused: bool = False


@dataclass(frozen=True)
class Footage:
    """Where a view's frames lie: `path`, a video file or a microworld's array file, and of a file that several
    episodes share, the seconds [start_s, end_s) of this one. end_s None: to the end of the file. `view`: which of the
    views of an array file."""

    path: Path
    start_s: float = 0.0
    end_s: float | None = None
    view: int = 0


@dataclass(frozen=True)
class Episode:
    """One recorded episode, its rows being frames and states at the same times.

    states: float64 [N, D], in the contract's columns and units. footage: by view, in the contract's order of views.
    fps: frames (and states) a second. split: "train" or "val". scene: the source scene, "" where none is named.
    """

    episode_id: str
    split: str
    fps: float
    states: np.ndarray
    footage: Mapping[str, Footage]
    text: str = ""
    scene: str = ""
    findings: tuple[Finding, ...] = field(default=())

    @property
    def frames(self) -> int:
        """N: frames that every view and the states have."""
        return len(self.states)

    @property
    def refused(self) -> str:
        """The rule that refuses it, "" for an episode that can be used."""
        return next((one.rule for one in self.findings if one.refused), "")
