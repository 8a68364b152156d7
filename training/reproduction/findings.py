"""Which experiments answer which question: told by what they change, not by their names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.report.reproduction import ENDED, INCIDENTAL
from stats.pooling import Pool, pooled
from storage.options import dotted
from training.options.methods import Method
from training.reproduction.options import Experiment
from training.reproduction.results import RunData

LONG = 1.5  # a run of more than so many times the usual steps is a long one


@dataclass(frozen=True)
class Setting:
    """An experiment with its runs."""

    experiment: Experiment
    runs: tuple[RunData, ...]

    @property
    def steps(self) -> int:
        return self.runs[0].run.options.run.steps

    @property
    def options(self):
        return self.runs[0].run.options

    @property
    def changed(self) -> set[str]:
        return {key for key in dotted(self.experiment.changes) if key not in INCIDENTAL}

    @property
    def ended(self) -> tuple[RunData, ...]:
        """Runs with a result: finished ones, and diverged ones with the scores that they reached before."""
        return tuple(one for one in self.runs if one.record.status in ENDED and one.end is not None)

    def finals(self, measure: str) -> list[np.ndarray]:
        return [one.final(measure) for one in self.ended]

    def pool(self, measure: str) -> Pool | None:
        return pooled(self.finals(measure)) if self.ended else None

    @property
    def status(self) -> str:
        """finished, or how many of the runs ended otherwise."""
        counts = {}
        for one in self.runs:
            counts[one.record.status] = counts.get(one.record.status, 0) + 1
        if len(counts) == 1:
            return next(iter(counts))
        return ", ".join(f"{count} {status}" for status, count in counts.items())


@dataclass(frozen=True)
class Findings:
    """All settings of a reproduction, in the recipe's order; `steps` is the usual number of steps."""

    settings: tuple[Setting, ...]
    steps: int

    @property
    def runs(self) -> list[RunData]:
        return [one for setting in self.settings for one in setting.runs]

    def method(self, method: Method) -> Setting | None:
        """The method as it is, for the usual number of steps."""
        found = (s for s in self.settings if s.experiment.method == method and not s.changed and s.steps == self.steps)
        return next(found, None)

    def usual(self) -> dict[str, Any]:
        """Options of wmsd as it is, by dotted names; empty where no experiment is so."""
        found = (s for s in self.settings if s.experiment.method == "wmsd" and not s.changed)
        return next((dotted(setting.options.model_dump(mode="json")) for setting in found), {})

    def sweep(self) -> dict[float, Setting]:
        """wmsd at several beta_d, by beta_d; of settings with different numbers of steps those there are most of."""
        found = [s for s in self.settings if s.experiment.method == "wmsd" and s.changed <= {"distill.beta_d"}]
        lengths = [s.steps for s in found if s.changed]
        most = max(sorted(set(lengths)), key=lengths.count, default=None)
        points = {s.options.distill.beta_d: s for s in reversed(found) if s.steps == most}
        return dict(sorted(points.items()))

    def consistency(self) -> tuple[Setting | None, Setting | None]:
        """wmsd with the consistency reward and without it, for the same number of steps."""
        found = [s for s in self.settings if s.experiment.method == "wmsd" and s.changed <= {"rewards.consistency"}]
        off = next((s for s in found if s.options.rewards.consistency == 0), None)
        on = (s for s in found if s.options.rewards.consistency > 0 and (off is None or s.steps == off.steps))
        return next(on, None), off

    def long(self) -> Setting | None:
        """The longest run of wmsd as it is that is clearly longer than usual."""
        found = [s for s in self.settings if s.experiment.method == "wmsd" and not s.changed]
        longest = max(found, key=lambda setting: setting.steps, default=None)
        return longest if longest is not None and longest.steps > LONG * self.steps else None

    def reference(self) -> RunData | None:
        """A run that scored base and Demonstrator: the first one; they are the same in all."""
        return next((one for one in self.runs if one.base is not None and one.demonstrator is not None), None)

    def references_alike(self) -> bool:
        """Whether all runs judged base and Demonstrator alike."""
        first = self.reference()
        for one in self.runs:
            for ours, theirs in ((one.base, first and first.base), (one.demonstrator, first and first.demonstrator)):
                if ours is not None and theirs is not None and not _same(ours, theirs):
                    return False
        return True


def findings(runs: Sequence[RunData], steps: int) -> Findings:
    """Runs of the same experiment together, experiments in the order in which they first come."""
    by_name: dict[str, list[RunData]] = {}
    for one in runs:
        by_name.setdefault(one.run.experiment.name, []).append(one)
    return Findings(tuple(Setting(found[0].run.experiment, tuple(found)) for found in by_name.values()), steps)


def _same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    return left.keys() == right.keys() and all(
        np.array_equal(left[name] > 0, right[name] > 0) and np.array_equal(np.isnan(left[name]), np.isnan(right[name]))
        for name in left
    )
