"""The form of reproduction.json (schema version 1): training.reproduction writes it, the report reads it strictly."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, create_model

from evaluation.scoring.score_file import Strict, read_model
from models.vlm.questions import NAMES
from storage.files import confined
from storage.options import dotted
from storage.strict_yaml import read_yaml

CONFIG = "config.yaml"  # of a training run's folder
ENDED = ("finished", "diverged")  # results: the same options would end in the same way
# How often is looked and saved changes nothing about a run.
INCIDENTAL = ("held_out.every", "run.checkpoint_every", "run.keep", "run.grid_every")


class Score(Strict):
    """A share of success: `successes` of `valid` judged of `n` videos, with its 95 % Wilson interval."""

    share: float | None = Field(ge=0, le=1)
    low: float
    high: float
    successes: int
    valid: int
    n: int
    verdicts: str = Field(pattern=r"^[01-]*$", description="A character a held-out task: 1, 0, - (the judge failed).")


class Pooled(Strict):
    """An experiment's seeds together. `low` and `high`: 95 %, from as many verdicts as there are held-out tasks, as if
    seeds on the same task told nothing new; `spread`: the lowest and the highest seed."""

    mean: float | None = None
    low: float | None = None
    high: float | None = None
    spread: tuple[float, float] | None = None


def _by_question(form: type[Strict], kind: Any, default: Any) -> type[Strict]:
    """`form` with a field a question more. A file that was written before a question was there has its `default`."""
    return create_model(form.__name__, __base__=form, **{question: (kind, default) for question in NAMES})


class Step(Strict):
    step: int = Field(ge=0)


class Point(_by_question(Step, Score | None, None)):
    """Held-out scores after `step` optimizer steps; 0: the base under T. `average` is the mean of the shares."""

    average: float | None


class Name(Strict):
    name: str


class Reference(_by_question(Name, Score | None, None)):
    """What does not change: scores of the base under T and of the Demonstrator."""

    average: float | None


class RunResult(Strict):
    name: str
    method: str
    seed: int
    changes: dict[str, Any]
    steps: int = Field(description="Optimizer steps asked for.")
    step: int = Field(description="Optimizer steps done.")
    status: str
    reason: str
    seconds: float
    folder: str = Field(description="Below the reproduction's folder.")
    curve: tuple[Point, ...]
    reward: tuple[tuple[int, float], ...] = Field(description="Mean weighted reward of training rollouts, by step.")
    reward_task: tuple[tuple[int, float], ...] = Field(description="Its part `task`, log-odds before weighting.")
    reward_consistency: tuple[tuple[int, float], ...]
    disagreement: tuple[tuple[int, float], ...] = Field(description="Executor to Demonstrator on rollouts (Eq. 4).")


class Setting(Strict):
    name: str
    method: str
    seeds: tuple[int, ...] = Field(description="Those with a score at the end.")
    steps: int
    status: str


class Experiment(_by_question(Setting, Pooled, Pooled())):
    """One row of the table: an experiment's scores over its seeds."""

    average: Pooled


class Claim(Strict):
    """What the paper says, and whether it came out here."""

    key: str
    claim: str
    verdict: Literal["holds", "does not hold", "not decided"]
    numbers: str


class Reproduction(Strict):
    """Experiments of a reproduction with pooled scores, their runs with curves, and what came of the paper's claims."""

    schema_version: Literal[1] = 1
    complete: bool = Field(description="Whether every run has ended.")
    held_out_tasks: int
    references: tuple[Reference, ...]
    references_alike: bool = Field(description="Whether all runs judged base and Demonstrator alike, as they must.")
    runs: tuple[RunResult, ...]
    experiments: tuple[Experiment, ...]
    claims: tuple[Claim, ...]

    def changes(self, experiment: str) -> dict[str, Any]:
        """What an experiment changes about its results, by dotted names: {"distill.beta_d": 0.1}."""
        found = dotted(next((run.changes for run in self.runs if run.name == experiment), {}))
        return {name: value for name, value in found.items() if name not in INCIDENTAL}


def read_reproduction(path: Path) -> Reproduction:
    """Raises FileNotFoundError, and ValueError naming the file and what is wrong with it."""
    return read_model(path, Reproduction, "a reproduction.json of schema version 1")


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
                return dotted(options)
    return {}
