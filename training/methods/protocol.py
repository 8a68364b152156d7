"""What a method is, to the loop: something that makes one training step from what it was given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from training.conditions.store import ConditionStore
from training.methods.contexts import Contexts
from training.methods.learner import Learner
from training.options import TrainOptions
from training.policies.predictor import Predictor
from training.rewards.protocol import Scorer
from training.stopping import Stopping
from training.world import World


class Diverged(RuntimeError):
    """Rollouts or a gradient that are not finite, or a gradient too large; the last checkpoint is from before it."""


class Optimiser(Protocol):
    """The loop's half of an update."""

    def zero(self) -> None:
        """Forgets all gradients: before a method adds up those of an update."""

    def step(
        self, names: Sequence[str], sums: Mapping[str, Tensor], metrics: Mapping[str, float], last: bool = True
    ) -> dict[str, float]:
        """One optimizer step of the policies `names` with the gradients that they hold; returns what was measured.
        `last`: of those on the same rollouts, after which an old policy follows.

        A collective: gradients and `sums` (the same names on every process) are added up over all processes. `metrics`
        are told where the step is refused. Raises Diverged.
        """


@dataclass(frozen=True)
class Given:
    """All that a method works with. `scorers` by the name that rounds call them; `learners` by the policy's name."""

    options: TrainOptions
    predictor: Predictor
    store: ConditionStore
    contexts: Contexts
    scorers: Mapping[str, Scorer]
    learners: Mapping[str, Learner]
    world: World
    stopping: Stopping
    places: range  # of a step's groups, those that this process works on

    @property
    def total(self) -> int:
        """Rollouts of a step over all processes: what losses are divided by, so that gradients simply add up."""
        return self.options.rollout.tasks * self.options.rollout.group


class Method(Protocol):
    """One way to train. `training/methods/build.py` lists them."""

    def step(self, number: int, optimiser: Optimiser) -> dict[str, float]:
        """Makes the training step `number` (from 1), calling `optimiser` for each update; returns its metrics, the same
        on every process.

        Between collectives it works in `stopping.phase()`, which ends with Dropped when a process was asked to end.
        Raises Diverged, TooManyFailures.
        """
