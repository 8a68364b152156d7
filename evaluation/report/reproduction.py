"""reproduction.json as training.reproduction writes it (schema version 1), read strictly. Training is not imported."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from evaluation.scoring.score_file import Strict
from storage.files import confined
from storage.strict_yaml import read_yaml

CONFIG = "config.yaml"  # of a training run's folder


class Score(Strict):
    share: float | None = Field(ge=0, le=1)
    low: float
    high: float
    successes: int
    valid: int
    n: int
    verdicts: str = Field(pattern=r"^[01-]*$")


class Scored(Strict):
    task: Score | None
    agent: Score | None
    consistency: Score | None
    average: float | None


class Point(Scored):
    step: int = Field(ge=0)


class Reference(Scored):
    name: str


class RunResult(Strict):
    name: str
    method: str
    seed: int
    changes: dict[str, Any]
    steps: int
    step: int
    status: str
    reason: str
    seconds: float
    folder: str
    curve: tuple[Point, ...]
    reward: tuple[tuple[int, float], ...]
    reward_task: tuple[tuple[int, float], ...]
    reward_consistency: tuple[tuple[int, float], ...]
    disagreement: tuple[tuple[int, float], ...]


class Pooled(Strict):
    mean: float | None
    low: float | None
    high: float | None
    spread: tuple[float, float] | None


class Experiment(Strict):
    name: str
    method: str
    seeds: tuple[int, ...]
    steps: int
    status: str
    task: Pooled
    agent: Pooled
    consistency: Pooled
    average: Pooled


class Claim(Strict):
    key: str
    claim: str
    verdict: str
    numbers: str


class Reproduction(Strict):
    """Experiments of a reproduction with pooled scores, their runs with curves, and what came of the paper's claims."""

    schema_version: Literal[1]
    complete: bool
    held_out_tasks: int
    references: tuple[Reference, ...]
    references_alike: bool
    runs: tuple[RunResult, ...]
    experiments: tuple[Experiment, ...]
    claims: tuple[Claim, ...]

    def changes(self, experiment: str) -> dict[str, Any]:
        """What an experiment changes, by dotted names: {"distill.beta_d": 0.1}."""
        found = next((run.changes for run in self.runs if run.name == experiment), {})
        return _dotted(found)


def read_reproduction(path: Path) -> Reproduction:
    """Raises FileNotFoundError, and ValueError naming the file and what is wrong with it."""
    try:
        return Reproduction.model_validate_json(path.read_bytes())
    except ValidationError as error:
        where = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:5])
        raise ValueError(f"{path} is no reproduction.json of schema version 1: {where}") from error


def usual_options(path: Path, found: Reproduction) -> dict[str, Any]:
    """Options by dotted names of a run of wmsd as it is, which experiments change from: those of its config.yaml in the
    reproduction's folder. Empty where there is none that can be read."""
    for run in found.runs:
        if run.method == "wmsd" and not run.changes:
            try:
                options = read_yaml(confined(path.parent, run.folder) / CONFIG)
            except (OSError, ValueError):  # a page is worth having without
                continue
            if isinstance(options, dict):
                return _dotted(options)
    return {}


def _dotted(changes: dict[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in changes.items():
        name = f"{above}.{key}" if above else key
        found |= _dotted(value, name) if isinstance(value, dict) and value else {name: value}
    return found
