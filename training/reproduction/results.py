"""What the runs of a reproduction came to, read from their folders, and the form of reproduction.json."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from stats.rates import interval
from training.loop.held_out import BASE, DEMONSTRATOR, EXECUTOR
from training.loop.log import JUDGED
from training.options import Method, Options
from training.reproduction.plan import Run
from training.reproduction.running import Record, Status, record_of, steps_logged

QUESTIONS = ("task", "agent", "consistency")
MEASURES = (*QUESTIONS, "average")  # average: the mean of a video's three verdicts
LogOdds = dict[str, np.ndarray]  # question -> float64 [N held-out tasks], NaN where the judge failed


@dataclass(frozen=True)
class RunData:
    """A run with what its folder holds. `points`: log-odds by step, 0 the base under T, ended by the Executor's."""

    run: Run
    record: Record
    base: LogOdds | None
    demonstrator: LogOdds | None
    points: dict[int, LogOdds]
    metrics: tuple[dict[str, float | None], ...]

    @property
    def end(self) -> int | None:
        """The step of the run's last scores, None where the Executor was never scored."""
        return max((step for step in self.points if step > 0), default=None)

    def at(self, step: int, measure: str) -> np.ndarray:
        return verdicts(self.points[step], measure)

    def final(self, measure: str) -> np.ndarray:
        return self.at(self.end, measure)

    def series(self, name: str) -> list[tuple[int, float]]:
        """A metric of the training steps by step, where a step has it."""
        return [(int(line["step"]), float(line[name])) for line in self.metrics if line.get(name) is not None]


def read_run(run: Run) -> RunData:
    """What a run left so far; a line that a kill cut off is passed over, of doubled ones the last counts."""
    path = run.folder / JUDGED
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    arms: dict[str, LogOdds] = {}
    points: dict[int, LogOdds] = {}
    for line in map(json.loads, text.split("\n")[:-1]):
        found = {name: np.array(values, np.float64) for name, values in line["log_odds"].items()}
        arms[line["arm"]] = found
        if line["arm"] in (BASE.name, EXECUTOR.name):
            points[line["step"]] = found
    points = dict(sorted(points.items()))
    return RunData(
        run, record_of(run), arms.get(BASE.name), arms.get(DEMONSTRATOR.name), points, tuple(steps_logged(run))
    )


def verdicts(log_odds: Mapping[str, np.ndarray], measure: str) -> np.ndarray:
    """Of each video 1 (succeeded) or 0, the mean of its verdicts for `average`; NaN where a judgement failed. [N]"""
    if measure == "average":
        return np.mean([verdicts(log_odds, question) for question in QUESTIONS if question in log_odds], axis=0)
    if measure not in log_odds:
        return np.full(len(next(iter(log_odds.values()))), np.nan)
    values = log_odds[measure]
    return np.where(np.isnan(values), np.nan, (values > 0).astype(np.float64))


class Score(Options):
    """A share of success: `successes` of `valid` judged of `n` videos, with its 95 % Wilson interval."""

    share: float | None = Field(ge=0, le=1)
    low: float
    high: float
    successes: int
    valid: int
    n: int
    verdicts: str = Field(pattern=r"^[01-]*$", description="A character a held-out task: 1, 0, - (the judge failed).")


class Point(Options):
    """Held-out scores after `step` optimizer steps; 0: the base under T. `average` is the mean of the three shares."""

    step: int = Field(ge=0)
    task: Score | None
    agent: Score | None
    consistency: Score | None
    average: float | None


class RunResult(Options):
    name: str
    method: Method
    seed: int
    changes: dict[str, Any]
    steps: int = Field(description="Optimizer steps asked for.")
    step: int = Field(description="Optimizer steps done.")
    status: Status
    reason: str
    seconds: float
    folder: str = Field(description="Below the reproduction's folder.")
    curve: tuple[Point, ...]
    reward: tuple[tuple[int, float], ...] = Field(description="Mean weighted reward of training rollouts, by step.")
    reward_task: tuple[tuple[int, float], ...] = Field(description="Its part `task`, log-odds before weighting.")
    reward_consistency: tuple[tuple[int, float], ...]
    disagreement: tuple[tuple[int, float], ...] = Field(description="Executor to Demonstrator on rollouts (Eq. 4).")


class Reference(Options):
    """What does not change: scores of the base under T and of the Demonstrator."""

    name: str
    task: Score | None
    agent: Score | None
    consistency: Score | None
    average: float | None


class Pooled(Options):
    """An experiment's seeds together. `low` and `high`: 95 %, from as many verdicts as there are held-out tasks, as if
    seeds on the same task told nothing new; `spread`: the lowest and the highest seed."""

    mean: float | None
    low: float | None
    high: float | None
    spread: tuple[float, float] | None


class MethodRow(Options):
    name: str
    method: Method
    seeds: tuple[int, ...] = Field(description="Those with a score at the end.")
    steps: int
    status: str
    task: Pooled
    agent: Pooled
    consistency: Pooled
    average: Pooled


class Claim(Options):
    """What the paper says, and whether it came out here."""

    key: str
    claim: str
    verdict: Literal["holds", "does not hold", "not decided"]
    numbers: str


class Reproduction(Options):
    """reproduction.json."""

    schema_version: Literal[1] = 1
    complete: bool = Field(description="Whether every run has ended.")
    held_out_tasks: int
    references: tuple[Reference, ...]
    references_alike: bool = Field(description="Whether all runs judged base and Demonstrator alike, as they must.")
    runs: tuple[RunResult, ...]
    experiments: tuple[MethodRow, ...]
    claims: tuple[Claim, ...]


def score_of(log_odds: LogOdds, question: str) -> Score | None:
    if question not in log_odds:
        return None
    values = verdicts(log_odds, question)
    won, valid = int(np.nansum(values)), int((~np.isnan(values)).sum())
    low, high = interval(won, valid)
    text = "".join("-" if np.isnan(value) else str(int(value)) for value in values)
    share = won / valid if valid else None
    return Score(share=share, low=low, high=high, successes=won, valid=valid, n=len(values), verdicts=text)


def scores_of(log_odds: LogOdds) -> dict[str, Any]:
    scores = {question: score_of(log_odds, question) for question in QUESTIONS}
    shares = [score.share for score in scores.values() if score is not None and score.share is not None]
    return scores | {"average": float(np.mean(shares)) if shares else None}


def run_result(data: RunData, root: str) -> RunResult:
    run, record = data.run, data.record
    return RunResult(
        name=run.experiment.name,
        method=run.experiment.method,
        seed=run.seed,
        changes=run.experiment.changes,
        steps=run.options.run.steps,
        step=record.step,
        status=record.status,
        reason=record.reason,
        seconds=record.seconds,
        folder=run.folder.relative_to(root).as_posix(),
        curve=tuple(Point(step=step, **scores_of(found)) for step, found in data.points.items()),
        reward=tuple(data.series("reward")),
        reward_task=tuple(data.series("reward/task")),
        reward_consistency=tuple(data.series("reward/consistency")),
        disagreement=tuple(data.series("disagreement")),
    )


def reference_of(data: RunData) -> tuple[Reference, Reference]:
    """Base and Demonstrator as one run scored them."""
    return (
        Reference(name=BASE.name, **scores_of(data.base)),
        Reference(name=DEMONSTRATOR.name, **scores_of(data.demonstrator)),
    )
