"""Scores against training steps: the curves of the paper's Figures 4 and 5 for runs of one training."""

from collections.abc import Sequence
from itertools import pairwise

from evaluation.scoring.comparing import NotComparable, differences
from evaluation.scoring.score_file import Estimate, RunScores, Strict


class Point(Strict):
    """One evaluated checkpoint; `pickscore` is raw / 26, as the paper's curve."""

    step: int
    name: str
    questions: dict[str, Estimate]
    average: Estimate
    pickscore: Estimate | None


def curve(runs: Sequence[RunScores]) -> tuple[Point, ...]:
    """Points in the order of their steps. A run that has none (`step` null) is no point of a curve and is refused.

    Raises NotComparable when two differ in judge, prompts, benchmark, samples, seeds or how PickScore was made, and
    ValueError for a run without a step or two of one step.
    """
    without = [run.name for run in runs if run.step is None]
    if without:
        raise ValueError(f"{', '.join(without)}: run.json has no step, but a curve needs runs of training checkpoints")
    ordered = sorted(runs, key=lambda run: run.step)
    for before, after in pairwise(ordered):
        if found := differences(before, after):
            raise NotComparable(before.name, after.name, found)
        if before.step == after.step:
            raise ValueError(
                f"{before.name!r} and {after.name!r} are both of step {after.step}: give one run for each step"
            )
        scored = [one.pickscore for one in (before, after) if one.pickscore]
        terms = [(one.model, one.prompt, one.frames) for one in scored]
        if len(set(terms)) > 1:
            raise NotComparable(before.name, after.name, (f"PickScores on other terms: {terms[0]} and {terms[1]}",))
    return tuple(
        Point(
            step=run.step,
            name=run.name,
            questions={question: one.rate for question, one in run.questions.items()},
            average=run.average.rate,
            pickscore=run.pickscore.scaled if run.pickscore else None,
        )
        for run in ordered
    )
