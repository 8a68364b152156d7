"""The file of an evaluated set of rollouts: numbers of each rollout by chunk and view, and all that they depend on."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from storage.files import write_bytes
from storage.json_files import NotJson, read_object
from storage.options import InvalidOptions, Options, mistakes

FORMAT = 1
Curve = tuple[tuple[float | None, ...], ...]  # [chunks][views]; None: not a number


class RolloutRecord(Options):
    """One rollout. scores: by metric, means over the scored frames of each chunk, [chunks][views]."""

    episode_id: str
    row: int = Field(ge=0)
    scores: dict[str, Curve]

    @property
    def key(self) -> tuple[str, int]:
        return self.episode_id, self.row

    def curve(self, metric: str) -> np.ndarray:
        """float64 [chunks, V], NaN where there is no number."""
        return np.array([[math.nan if one is None else one for one in row] for row in self.scores[metric]], np.float64)


class RolloutSet(Options):
    """Rollouts of one policy, evaluated.

    identity: of the weights, "" for a row without a model. settings: what numbers must share to be compared. sampling:
    how a model was rolled out (steps, seed, decoding, guidance), {} for a row without one.
    """

    format: int = FORMAT
    name: str
    identity: str = ""
    views: tuple[str, ...] = Field(min_length=1)
    settings: dict[str, Any]
    sampling: dict[str, Any] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rollouts: tuple[RolloutRecord, ...] = Field(min_length=1)

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(self.rollouts[0].scores)

    @property
    def chunks(self) -> int:
        return len(next(iter(self.rollouts[0].scores.values())))

    @model_validator(mode="after")
    def _even(self) -> "RolloutSet":
        shape = (self.chunks, len(self.views))
        for one in self.rollouts:
            if tuple(one.scores) != self.metrics or any(one.curve(name).shape != shape for name in one.scores):
                raise ValueError(f"rollout {one.key}: scores must be of {', '.join(self.metrics)}, each {shape}")
        keys = [one.key for one in self.rollouts]
        if len(set(keys)) != len(keys):
            raise ValueError("a start is given twice")
        return self

    def curves(self, metric: str) -> np.ndarray:
        """float64 [rollouts, chunks, V]."""
        return np.stack([one.curve(metric) for one in self.rollouts])


def write_rollouts(path: Path, made: RolloutSet) -> None:
    write_bytes(path, made.model_dump_json(indent=1).encode())


def read_rollouts(path: Path) -> RolloutSet:
    """Raises OSError, NotJson, and InvalidOptions for a file that is no evaluated set."""
    from pydantic import ValidationError

    said = read_object(path, "format", "rollouts")
    if said["format"] != FORMAT:
        raise NotJson(f"{path}: format {said['format']!r} of rollouts is not known: {FORMAT} is read")
    try:
        return RolloutSet.model_validate(said)
    except ValidationError as error:
        raise InvalidOptions("\n".join([f"{path} holds no evaluated rollouts:", *mistakes(error)[:5]])) from error
