"""The combined quality score, the population it ranks against, and the cut that is kept for the next run.

The paper keeps "the top 90 % by a combined quality score" and does not say how it combines. Ours:

    score = (0.60 aesthetic_rank + 0.25 sharpness_rank + 0.15 exposure) / (sum of the weights)
    exposure = (1 - |mean_luma - 127.5| / 127.5) (1 - max(black_ratio, white_ratio))

Ranks are mid-ranks within a reference population, in 0..1: scorers with other scales and skews can be exchanged without
other weights, and one outlier moves nothing. The aesthetic has the majority, since the cut is meant to be aesthetic;
sharpness is a rank because the variance of the Laplacian spans four decades and only its order means something;
exposure is absolute because a dark shard must not call its lightest frame well exposed.

The first run of a shard fixes its population and its cut in one small JSON file. A later run ranks against that
population and cuts at that (score, id), so a frame's verdict does not change when others come or go. Every shard cuts
its own population: shards are stable hash samples of the clips, so their lowest tenths together estimate the whole's,
and no shard waits for another. A population of fewer than ten loses no frame at the default share, and one that has
since grown a lot is worth a recut.
"""

import hashlib
import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from curation.aesthetics.options import ScoreWeights
from storage.notes import read_note, write_note

FORMAT = 1
MAX_KNOTS = 1025


def exposure(mean_luma: float, black_ratio: float, white_ratio: float) -> float:
    """How well exposed a frame is, 0..1: 1 at a mid-grey mean with nothing clipped, 0 when all black or all white."""
    return (1 - abs(mean_luma - 127.5) / 127.5) * (1 - max(black_ratio, white_ratio))


def combined(aesthetic_rank: float, sharpness_rank: float, exposure: float, weights: ScoreWeights) -> float:
    """The combined quality score, 0..1."""
    total = weights.aesthetic + weights.sharpness + weights.exposure
    terms = weights.aesthetic * aesthetic_rank + weights.sharpness * sharpness_rank + weights.exposure * exposure
    return terms / total


def knots(values: Sequence[float]) -> tuple[float, ...]:
    """At most 1025 evenly spaced order statistics of `values`, ascending, extremes included; all of them if so few."""
    ordered = sorted(values)
    if len(ordered) <= MAX_KNOTS:
        return tuple(ordered)
    last, steps = len(ordered) - 1, MAX_KNOTS - 1
    return tuple(ordered[(2 * i * last + steps) // (2 * steps)] for i in range(MAX_KNOTS))


def mid_rank(value: float, population: Sequence[float]) -> float:
    """The share of `population` (ascending) below `value`, plus half the share equal to it: 0..1."""
    return (bisect_left(population, value) + bisect_right(population, value)) / (2 * len(population))


def kept_count(population: int, keep_share: float) -> int:
    """ceil(keep_share * population), the share taken as the decimal it is written as: 0.9 of 10 is 9, of 9 is 9."""
    return math.ceil(Fraction(repr(keep_share)) * population)


@dataclass(frozen=True)
class Reference:
    """A shard's population and cut, as `cut.json` holds them.

    `why` says what made it: "first", "recut", "scorer changed", "options changed" or "rules changed". `rules` is the
    version of the stage that made it.
    """

    scorer: str
    options_hash: str
    population: int
    kept: int
    why: str
    aesthetic: tuple[float, ...]
    laplacian_var: tuple[float, ...]
    cut_score: float = 0.0
    cut_id: str = ""
    rules: str = "1"  # files from before this was written down

    def keeps(self, score: float, frame_id: str) -> bool:
        """Whether (score, frame_id) is at or above the cut: of two equal scores the larger id is kept first."""
        return (score, frame_id) >= (self.cut_score, self.cut_id)

    def save(self, path: Path) -> None:
        """Replaces `path` atomically; the same reference gives the same bytes."""
        write_note(path, {"format": FORMAT, **asdict(self)}, indent=1)

    @classmethod
    def load(cls, path: Path) -> "Reference | None":
        """The reference in `path`, None when there is no file. Raises ValueError when the file is not ours."""
        try:
            content = read_note(path, "delete it to have the cut made anew")
        except FileNotFoundError:
            return None
        try:
            if content.pop("format") != FORMAT:
                raise ValueError(f"{path} has another format than {FORMAT}; delete it to have the cut made anew")
            populations = {name: tuple(map(float, content.pop(name))) for name in ("aesthetic", "laplacian_var")}
            if not all(populations.values()):
                raise ValueError(f"{path} holds an empty population; delete it to have the cut made anew")
            return cls(**content, **populations)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no cut file ({error!r}); delete it to have the cut made anew") from error


def options_hash(options: dict[str, Any]) -> str:
    """16 hexadecimal digits over JSON values, whatever their order."""
    return hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()[:16]
