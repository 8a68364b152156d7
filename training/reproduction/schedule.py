"""Which runs there are, in which order, and which of them a budget of time has room for."""

import heapq
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from storage.files import confined, sha256_bytes, sha256_file
from training.methods.asking import calls_of_run, held_out_videos
from training.options import TrainOptions
from training.reproduction.options import Experiment, ReproductionOptions

RUNS = "runs"
BACKWARD = 2.0  # what a backward pass costs, in forward passes
START_S = 15.0  # a process begins: imports, the checkpoint, the judge's workers
# Until the first steps are measured: seconds of one forward pass of one state, the microworld's model on one core.
SECONDS_A_STATE = 0.008


@dataclass(frozen=True)
class Run:
    """One training run of the reproduction: an experiment at one seed."""

    experiment: Experiment
    seed: int
    options: TrainOptions

    @property
    def label(self) -> str:
        return f"{self.experiment.name}/{self.seed}"

    @property
    def folder(self) -> Path:
        return Path(self.options.output)


def planned_runs(options: ReproductionOptions) -> list[Run]:
    """All runs, the most important first: the first seeds of all experiments in their order, then the second ones, ...

    A run's folder carries a digest of what decides its result, so that changed options begin another run and an
    unchanged one is found again. Raises ValueError when the conditions have no manifest or a name leaves the folder.
    """
    output, conditions = Path(options.output), Path(str(options.training.get("conditions", "-")))
    manifest = conditions / "manifest.json"
    if not manifest.is_file():
        raise ValueError(f"no conditions in {conditions}: materialise `conditions`, or run the job reproduce")
    data = sha256_file(manifest)
    most = max(len(experiment.seeds) for experiment in options.experiments)
    runs = []
    for place in range(most):
        for experiment in (one for one in options.experiments if place < len(one.seeds)):
            seed = experiment.seeds[place]
            decided = options.run_options(experiment, seed, "-")
            what = [decided.model_dump(mode="json", exclude={"output", "conditions"}), data]
            digest = sha256_bytes(json.dumps(what, sort_keys=True).encode())[:8]
            folder = confined(output, Path(RUNS, experiment.name, f"seed-{seed}-{digest}"))
            runs.append(Run(experiment, seed, decided.model_copy(update={"output": str(folder)})))
    return runs


def cost(options: TrainOptions, steps_done: int = 0) -> float:
    """What is left of a run after so many steps, in forward passes of one state; evaluations are counted too."""
    states = sum(count * (1 + BACKWARD * trained) for (_, trained), count in calls_of_run(options).items())
    left = 1 - min(steps_done, options.run.steps) / options.run.steps
    return left * (states + held_out_videos(options) * options.held_out.steps)


@dataclass(frozen=True)
class Forecast:
    """What a budget has room for: when the last run that fits will have ended, and the labels of those that do not."""

    seconds: float
    not_run: tuple[str, ...]


def next_run(waiting: Sequence[str], seconds: Mapping[str, float], left_s: float) -> str | None:
    """Of labels in their order, the first whose `seconds` fit into what is left; None when none does."""
    return next((label for label in waiting if seconds[label] <= left_s), None)


def forecast(
    waiting: Sequence[str], seconds: Mapping[str, float], running: Sequence[float], at_once: int, left_s: float
) -> Forecast:
    """Plays the choices of `next_run` through: `running` holds the seconds that runs under way still need."""
    free = sorted(running)[:at_once] + [0.0] * max(0, at_once - len(running))
    heapq.heapify(free)
    rest, end = list(waiting), max(running, default=0.0)
    while rest:
        now = heapq.heappop(free)
        label = next_run(rest, seconds, left_s - now)
        if label is None:
            break  # a place that is free later has less time still
        rest.remove(label)
        heapq.heappush(free, now + seconds[label])
        end = max(end, now + seconds[label])
    return Forecast(end, tuple(rest))
