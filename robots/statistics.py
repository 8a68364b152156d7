"""Statistics of a robot's states, and the one transform they define: into [-1, 1] and back.

Normalised is clip(2 (s - q01) / (q99 - q01 + 1e-8) - 1, -1, 1), as Ctrl-World does it. Statistics are kept beside every
model that was trained with them, with the robot's name. Their file has Ctrl-World's keys (state_01, state_99), so that
its scripts read ours and we read its stat.json.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from storage.files import write_bytes
from storage.json_files import NotJson, read_object

FORMAT = 1
FLOOR = 1e-8  # of a column that never changes


@dataclass(frozen=True, eq=False)
class Statistics:
    """q01, q99: 1 % and 99 % quantiles, float64 [D]. robot: the contract's name, "" where a file does not say it.
    columns: names, () if not said. count: rows, 0 if not said. minimum, maximum: float64 [D] or None. not_finite:
    values left out, int64 [D] or None. exact: no value was rounded."""

    q01: np.ndarray
    q99: np.ndarray
    count: int = 0
    robot: str = ""
    columns: tuple[str, ...] = ()
    minimum: np.ndarray | None = None
    maximum: np.ndarray | None = None
    not_finite: np.ndarray | None = None
    exact: bool = True

    def __post_init__(self) -> None:
        for name in ("q01", "q99", "minimum", "maximum"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, np.array(getattr(self, name), np.float64))
        if self.q01.ndim != 1 or self.q01.shape != self.q99.shape or not len(self.q01):
            raise ValueError(f"state_01 and state_99 have sizes {self.q01.shape} and {self.q99.shape}: one a column")
        if not (np.isfinite(self.q01).all() and np.isfinite(self.q99).all()):
            raise ValueError(f"state_01 {self.q01.tolist()} or state_99 {self.q99.tolist()} is not finite")
        if (self.q01 > self.q99).any():
            place = int(np.argmax(self.q01 > self.q99))
            raise ValueError(f"{self.name(place)}: state_01 {self.q01[place]:g} is above state_99 {self.q99[place]:g}")
        if self.columns and len(self.columns) != len(self.q01):
            raise ValueError(f"{len(self.q01)} quantiles for the {len(self.columns)} columns {', '.join(self.columns)}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Statistics) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def name(self, place: int) -> str:
        return self.columns[place] if self.columns else f"column {place}"

    def _raw(self, states: np.ndarray) -> np.ndarray:
        states = np.asarray(states, np.float64)
        if states.shape[-1:] != self.q01.shape:
            raise ValueError(
                f"states have sizes {list(states.shape)}: the last must be {len(self.q01)}, as statistics have"
            )
        if not np.isfinite(states).all():
            states = states.reshape(-1, len(self.q01))
            row, place = (int(one) for one in np.argwhere(~np.isfinite(states))[0])
            raise ValueError(f"{self.name(place)} of row {row} is {states[row, place]}: a finite number is needed")
        return 2 * (states - self.q01) / (self.q99 - self.q01 + FLOOR) - 1

    def normalised(self, states: np.ndarray) -> np.ndarray:
        """[..., D] -> float32 [..., D] in [-1, 1]. Raises ValueError: another number of columns, or not finite."""
        return np.clip(self._raw(states), -1, 1).astype(np.float32)

    def restored(self, normalised: np.ndarray) -> np.ndarray:
        """The inverse: float64 [..., D] in the contract's units. What was clipped comes back as the quantile."""
        return (np.asarray(normalised, np.float64) + 1) / 2 * (self.q99 - self.q01 + FLOOR) + self.q01

    def clip_fraction(self, states: np.ndarray) -> np.ndarray:
        """Share of the rows that `normalised` clips, float64 [D]: by construction 0.02 of the data they are of."""
        raw = self._raw(states).reshape(-1, len(self.q01))
        return (np.abs(raw) > 1).mean(axis=0)

    def to_json(self) -> dict[str, Any]:
        """Whatever is known, as plain values."""
        said: dict[str, Any] = {"format": FORMAT, "robot": self.robot, "columns": list(self.columns)}
        said |= {"count": self.count, "exact": self.exact}
        said |= {"state_01": self.q01.tolist(), "state_99": self.q99.tolist()}
        for name in ("minimum", "maximum", "not_finite"):
            if (values := getattr(self, name)) is not None:
                said[name] = values.tolist()
        return said

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> "Statistics":
        """Raises ValueError for what is no statistics, of ours or of Ctrl-World."""
        if missing := [name for name in ("state_01", "state_99") if name not in said]:
            raise ValueError(f"{', '.join(missing)} is missing: these are no statistics of states")
        if said.get("format", FORMAT) != FORMAT:
            raise ValueError(f"format {said['format']!r} of statistics is not known: {FORMAT} is read")
        columns, counts = said.get("columns", []), said.get("not_finite")
        try:
            return cls(
                q01=np.array(said["state_01"], np.float64),
                q99=np.array(said["state_99"], np.float64),
                count=int(said.get("count", 0)),
                robot=str(said.get("robot", "")),
                columns=tuple(map(str, columns)),
                minimum=said.get("minimum"),
                maximum=said.get("maximum"),
                not_finite=None if counts is None else np.array(counts, np.int64),
                exact=bool(said.get("exact", True)),
            )
        except TypeError as error:
            raise ValueError(f"statistics hold what is no number: {error}") from error


def read_statistics(path: Path) -> Statistics:
    """Ours or Ctrl-World's stat.json. Raises OSError, and NotJson for a file that is not one, by its name."""
    said = read_object(path)
    try:
        return Statistics.from_json(said)
    except ValueError as error:
        raise NotJson(f"{path}: {error}") from error


def write_statistics(path: Path, statistics: Statistics) -> None:
    write_bytes(path, json.dumps(statistics.to_json(), indent=1).encode())
