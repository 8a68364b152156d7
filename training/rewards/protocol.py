"""What gives rewards: a scorer is shown rollouts while others are sampled, and tells a number each by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from models.vlm.failures import TooManyFailures, bearable
from training.rollouts import Rollouts


@dataclass(frozen=True)
class Sampled:
    """A batch of rollouts as soon as it is sampled: its `rows` of the step's plan, clean states [n, ...], and of each
    row's context the text and what else is known of it (training/methods/contexts.py)."""

    rows: slice
    clean: Tensor
    texts: tuple[str, ...]
    truths: tuple[Any, ...]
    decode: Callable[[Tensor], Tensor]

    @cached_property
    def videos(self) -> Tensor:
        """uint8 [n, T, H, W, 3] on the CPU, decoded once whoever asks."""
        return self.decode(self.clean)


class Pending(Protocol):
    """What a scorer still works on."""

    def wait(self, seconds: float) -> bool:
        """Waits at most so long; whether `result` would return, or raise, at once."""

    def result(self) -> Any:
        """Waits for what only its scorer reads."""


@dataclass(frozen=True)
class Scores:
    """`rewards` by name, float64 [B], NaN where one could not be had; `measured`, float64 [B], is only looked at.

    `error`: the last failure's words, "" without one.
    """

    rewards: Mapping[str, Tensor]
    measured: Mapping[str, Tensor] = field(default_factory=dict)
    error: str = ""


class Scorer(Protocol):
    """One source of rewards. What it tells of a rollout depends on that rollout alone, whatever process has it."""

    rewards: tuple[str, ...]  # the names of its rewards, each with a weight in the recipe
    measured: tuple[str, ...]  # the names of what else it tells
    max_failed_share: float | None  # of rollouts, for each reward; more ends the run. None: it never fails

    def submit(self, batch: Sampled) -> Pending | None:
        """Begins to score a batch and returns at once; None where there is nothing to begin yet."""

    def collect(self, rollouts: Rollouts, pending: Sequence[Pending], heed: Callable[[], None]) -> Scores:
        """The scores of all B rollouts, `pending` being what `submit` gave of their batches in order.

        `heed` is to be called while it waits, and may raise.
        """

    def summary(self, told: Mapping[str, Tensor]) -> dict[str, float]:
        """Further metrics of a step from its rewards and what it measured, over all processes, float64 [N] by name."""


def check_failures(rewards: Mapping[str, ArrayLike], share: float, error: str, what: str = "judgements") -> None:
    """Raises TooManyFailures when more than `share` of a reward's values [N] are NaN, and more than one is."""
    lost = {name: np.isnan(np.asarray(values)) for name, values in rewards.items()}
    over = {name: mask for name, mask in lost.items() if mask.sum() > bearable(share, len(mask))}
    if over:
        counts = ", ".join(f"{name} {mask.sum()} of {len(mask)}" for name, mask in over.items())
        raise TooManyFailures(f"too many {what} failed: {counts}, at most {share:.0%} may. The last error: {error}")
