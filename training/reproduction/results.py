"""What the runs of a reproduction came to, read from their folders, in the form of reproduction.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.report.reproduction import Point, Reference, RunResult, Score
from models.vlm.questions import NAMES
from stats.rates import interval
from storage.json_files import parse_json
from training.loop.held_out import BASE, DEMONSTRATOR, EXECUTOR
from training.loop.log import JUDGED
from training.reproduction.runner import Record, record_of, steps_logged
from training.reproduction.schedule import Run

MEASURES = (*NAMES, "average")  # average: the mean of a video's verdicts
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
    for number, said in enumerate(text.split("\n")[:-1], 1):
        line = parse_json(said, f"{path}, line {number}")
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
        return np.mean([verdicts(log_odds, question) for question in NAMES if question in log_odds], axis=0)
    if measure not in log_odds:
        return np.full(len(next(iter(log_odds.values()))), np.nan)
    values = log_odds[measure]
    return np.where(np.isnan(values), np.nan, (values > 0).astype(np.float64))


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
    scores = {question: score_of(log_odds, question) for question in NAMES}
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
