"""Runs with made-up results, for verdicts and charts: nothing is trained."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from models.vlm.questions import NAMES
from training.reproduction.findings import Findings, findings
from training.reproduction.options import Experiment, ReproductionOptions
from training.reproduction.results import LogOdds, RunData
from training.reproduction.runner import Record
from training.reproduction.schedule import Run

MODEL = {"kind": "wan", "path": "model", "frames": 8, "height": 32, "width": 32, "fps": 4.0}
STEPS, TASKS = 60, 200


def options_of(experiments: Sequence[Mapping], **more) -> ReproductionOptions:
    training = {"model": MODEL, "conditions": "conditions", "run": {"steps": STEPS}, "held_out": {"every": 10}}
    return ReproductionOptions(**{"output": "out", "training": training, "experiments": list(experiments), **more})


def judged(shares: Sequence[float], seed: int = 0, tasks: int = TASKS) -> LogOdds:
    """Log-odds whose shares above 0 are `shares` (rounded to tasks). The same task is as hard at every share: what
    succeeds at a low share succeeds at a higher one too."""
    found = {}
    for number, (question, share) in enumerate(zip(NAMES, shares, strict=True)):
        order = np.random.default_rng((seed, number)).permutation(tasks)
        won = np.zeros(tasks, bool)
        won[order[: round(share * tasks)]] = True
        found[question] = np.where(won, 2.0, -2.0)
    return found


def run_of(
    experiment: Mapping,
    curve: Mapping[int, Sequence[float]],
    seed: int = 0,
    record: Record | None = None,
    base: Sequence[float] = (0.2, 0.6, 0.3),
    demonstrator: Sequence[float] = (0.6, 0.85, 0.4),
    metrics: Sequence[Mapping] = (),
) -> RunData:
    """A run whose held-out shares (task, agent, consistency) by step are `curve`."""
    made = Experiment(**{"seeds": (seed,), **experiment})
    options = options_of([made.model_dump()]).run_options(
        made, seed, str(Path("out", "runs", made.name, f"seed-{seed}"))
    )
    points = {0: judged(base)} | {step: judged(shares) for step, shares in curve.items()}
    record = record or Record("finished", "", max(curve, default=0), 60.0)
    return RunData(Run(made, seed, options), record, judged(base), judged(demonstrator), points, tuple(metrics))


def found(*runs: RunData) -> Findings:
    return findings(runs, STEPS)


def climbing(end: Sequence[float], steps: int = STEPS, every: int = 10) -> dict[int, list[float]]:
    """Shares that rise from the base's to `end`."""
    base = (0.2, 0.6, 0.3)
    at = range(every, steps + 1, every)
    return {s: [b + (e - b) * (1 - np.exp(-3 * s / steps)) for b, e in zip(base, end, strict=True)] for s in at}
