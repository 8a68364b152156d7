"""Held-out scores and pictures around a training: the base under T, the Demonstrator under D, the Executor under T."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from evaluation.scoring.score_table import ScoreTable
from stats.paired import Comparison, compare
from stats.scores import score
from training.loop.checkpoint import RunState
from training.loop.evaluation import Results
from training.loop.held_out import ARMS, EXECUTOR, Arm, HeldOut
from training.loop.log import RunLog
from training.loop.pictures import rollout_grid
from training.stopping import Stopping

GRID = 4  # held-out tasks in a picture of rollouts


class HeldOutScores:
    """An Evaluation. `arms`: the ways to act that are compared, the last being the one that training is about."""

    def __init__(self, state: RunState, held_out: HeldOut, log: RunLog, stopping: Stopping, arms: Sequence[Arm] = ARMS):
        self.state, self.held_out, self.log, self.stopping = state, held_out, log, stopping
        self.arms, self.ours = tuple(arms), arms[-1]

    def before(self) -> None:
        """Scores the arms that training does not change."""
        scored = self.state.notes.setdefault("scored", {})
        for arm in self.arms:
            if not arm.trained and arm.name not in scored:
                scored[arm.name] = self._judged(0, arm)

    @property
    def curve(self) -> list[dict]:
        return self.state.notes.setdefault("curve", [])

    def _scores_due(self, step: int) -> bool:
        every = self.state.options.held_out.every
        due = bool(every) and step % every == 0 and 0 < step < self.state.options.run.steps
        return due and step not in [at["step"] for at in self.curve]

    def _picture_due(self, step: int) -> bool:
        every = self.state.options.run.grid_every
        return bool(every) and step % every == 0 and 0 < step != self.state.notes.get("pictured")

    def after_step(self, step: int) -> None:
        if self._scores_due(step):
            judged = self.held_out.judge_arm(self.ours, lambda: self.stopping.asked)
            scores = as_lists(judged.log_odds)
            shares = {curve_name(name): share(values) for name, values in scores.items()}
            self.curve.append({"step": step} | {name: number(value) for name, value in shares.items()})
            self.log.evaluation(step, shares)
            self.log.judged(step, self.ours.name, scores, numbers(judged.mass))
        if self._picture_due(step):
            self.picture(step)
            self.state.notes["pictured"] = step

    def after(self) -> Results:
        scored = dict(self.state.notes["scored"])
        for arm in self.arms:
            if arm.trained:
                scored[arm.name] = self._judged(self.state.step, arm)
        # A checkpoint's JSON is sorted: arms and questions go back in order.
        questions = self.held_out.judge.options.questions
        found = {arm.name: as_arrays({name: scored[arm.name][name] for name in questions}) for arm in self.arms}
        return self.results(found)

    def results(self, found: Mapping[str, dict[str, np.ndarray]]) -> Results:
        """The scores of arms, log-odds float64 [tasks] by question, as the files of a run show them."""
        scores, against = table(found), comparisons(found, self.ours.name)
        facts = {
            "held_out_tasks": len(next(iter(found.values()))["task"]),
            "arms": {
                arm: {name: {"log_odds": as_lists({name: values})[name]} for name, values in of.items()}
                for arm, of in found.items()
            },
            "rates": {
                row.name: {
                    name: {"share": number(r.share), "interval": r.interval, **asdict(r)}
                    for name, r in row.rates.items()
                }
                for row in scores.rows
            },
            "executor_against": {name: asdict(one) for name, one in against.items()},
            "curve": [in_order(at, next(iter(found.values()))) for at in self.state.notes.get("curve", [])],
        }
        text = scores.to_text() + "\n\n" + "\n".join(sentence(name, one) for name, one in against.items()) + "\n"
        return Results(facts, text, scores.to_markdown(), facts["rates"])

    def picture(self, step: int) -> None:
        """A grid of side-by-side rollouts: tasks down, arms across."""
        if self.held_out.world.first:
            places = range(min(GRID, len(self.held_out.pairs)))
            made = [self.held_out.videos(arm, places).numpy() for arm in self.arms]
            videos = np.stack(made, axis=1).reshape(-1, *made[0].shape[1:])
            captions = [self.held_out.pairs[place].task for place in places]
            self.log.picture(step, "rollouts", rollout_grid(videos, captions, [arm.name for arm in self.arms]))

    def _judged(self, step: int, arm: Arm) -> dict[str, list]:
        """Log-odds of an arm by question, after they were told."""
        judged = self.held_out.judge_arm(arm)
        log_odds = as_lists(judged.log_odds)
        self.log.judged(step, arm.name, log_odds, numbers(judged.mass))
        shares = ", ".join(f"{question} {share(values):.3f}" for question, values in log_odds.items())
        self.log.note(f"{arm.name}: {shares} on {len(self.held_out.pairs)} held-out tasks")
        return log_odds


def table(results: Mapping[str, dict[str, np.ndarray]]) -> ScoreTable:
    """Scores of arms, by name, side by side."""
    return ScoreTable(tuple(score(name, log_odds) for name, log_odds in results.items()))


def comparisons(results: Mapping[str, dict[str, np.ndarray]], ours: str = EXECUTOR.name) -> dict[str, Comparison]:
    """One arm's Task score against each other's, on the same tasks and noise: those judged for both."""
    mine = results[ours]["task"]
    others = {name: other["task"] for name, other in results.items() if name != ours}
    return {name: compare(mine, theirs) for name, theirs in others.items() if not np.isnan(mine + theirs).all()}


def sentence(name: str, against: Comparison) -> str:
    low, high = against.low, against.high
    return (
        f"Executor against {name}: Task {against.gain:+.3f} [{low:+.3f}, {high:+.3f}] on {against.pairs} tasks, "
        f"p = {against.p_value:.2g} (exact sign test)"
    )


def number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else float(value)


def numbers(values: np.ndarray) -> list[float | None]:
    return [number(value) for value in values]


def share(values: list) -> float:
    kept = [value for value in values if value is not None]
    return sum(value > 0 for value in kept) / len(kept) if kept else float("nan")


def curve_name(question: str) -> str:
    return f"heldout/{question}"


def in_order(at: Mapping[str, Any], questions: Iterable[str]) -> dict[str, Any]:
    """A point of the curve: its step, then the `questions` in their order. A checkpoint's JSON is sorted."""
    names = ("step", *map(curve_name, questions), *at)
    return {name: at[name] for name in names if name in at}


def as_lists(log_odds: Mapping[str, np.ndarray]) -> dict[str, list]:
    """A failed judgement is null."""
    return {name: numbers(values) for name, values in log_odds.items()}


def as_arrays(log_odds: Mapping[str, list]) -> dict[str, np.ndarray]:
    return {name: np.array([np.nan if v is None else v for v in values]) for name, values in log_odds.items()}
