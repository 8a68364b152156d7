"""What a step's rollouts start from: one context a group, read from encoded pairs or rolled out first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from models.video.protocol import Condition
from training.conditions.store import ConditionStore
from training.methods.tasks import tasks_of_step

# (conditions of n contexts, a seed each) -> clean states [n, ...]: rollouts of the policy whose step it is.
Roll = Callable[[Condition, Sequence[int]], Tensor]


@dataclass(frozen=True)
class Context:
    """G groups of a step: by role what it is given, a row a group; each group's text for those who judge it; and what
    is known of each for scorers that compare (its true future, say), None where nothing is."""

    conditions: Mapping[str, Condition]
    texts: tuple[str, ...]
    truths: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        if not self.truths:
            object.__setattr__(self, "truths", (None,) * len(self.texts))


class Contexts(Protocol):
    """Where a step's groups come from. What it gives depends on the run's seed, the step and the place alone."""

    def of_step(self, step: int, places: Sequence[int], roll: Roll) -> Context:
        """The contexts at `places` of the step (from 1). `roll` may be called to roll out a prefix first: a robot's
        context is the history that its own rollout has led to. Plans count what the method's rounds say of it, so more
        than `Round.prefixes` for each place are refused."""


class PairContexts:
    """Task-solution pairs: the Executor is given the image and T, the Demonstrator the image and D."""

    def __init__(self, store: ConditionStore, seed: int, tasks: int):
        self.store, self.seed, self.tasks = store, seed, tasks
        self.pairs = store.pairs("train")

    def of_step(self, step: int, places: Sequence[int], roll: Roll) -> Context:
        chosen = tasks_of_step(self.seed, step, self.tasks, len(self.pairs))
        pairs = [self.pairs[chosen[place]] for place in places]
        conditions = {"executor": self.store.executor(pairs), "demonstrator": self.store.demonstrator(pairs)}
        return Context(conditions, tuple(pair.task for pair in pairs))
