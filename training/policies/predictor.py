"""The prediction bundle: at a batch of states, the velocities that this step's losses ask for, and no others."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from models.video.protocol import Condition, VideoModel
from training.policies.lora import Policies, Shadow


@dataclass(frozen=True)
class States:
    """N states x [N, ...] at sigma [N], each of a rollout `row` [N] (an index into the step's rollouts).

    For matching objectives: x0 and noise, of which x is the mixture. For states of a trajectory: `step` [N], the
    sampler's step they were at, and `teacher` [N, ...], the Demonstrator's velocities, where they are known already.
    """

    x: Tensor
    sigma: Tensor
    row: Tensor
    x0: Tensor | None = None
    noise: Tensor | None = None
    step: Tensor | None = None
    teacher: Tensor | None = None

    def __len__(self) -> int:
        return len(self.row)

    def batches(self, size: int) -> Iterator["States"]:
        for first in range(0, len(self), size):
            span = slice(first, first + size)
            yield self.take(span)

    def take(self, index: slice | Tensor) -> "States":
        """The states at `index`: a slice, or a mask bool [N]."""
        return States(*(None if part is None else part[index] for part in vars(self).values()))


class Predictor:
    """Velocities of policies over one model, counted: `calls[(policy, with gradient)]` is in states, not in batches.

    A policy is an adapter's name, None for the base; a shadow stands in for its adapter. `before_call` is called before
    each call of the model, and may raise.
    """

    def __init__(self, model: VideoModel, policies: Policies, before_call: Callable[[], None] = lambda: None):
        self.model, self.policies, self.before_call = model, policies, before_call
        self.calls: Counter[tuple[str, bool]] = Counter()

    def velocity(
        self,
        policy: str | None,
        x: Tensor,
        sigma: Tensor,
        condition: Condition,
        *,
        grad: bool = False,
        shadow: Shadow | None = None,
        counted: str = "",
    ) -> Tensor:
        """float32 like x. With `grad` the graph is kept for the policy's tensors."""
        self.before_call()
        self.calls[counted or policy or "base", grad] += len(x)
        with torch.set_grad_enabled(grad), self.policies.use(policy):
            if shadow is None:
                return self.model.velocity(x, sigma, condition)
            with shadow.swapped():
                return self.model.velocity(x, sigma, condition)

    def in_batches(
        self, policy: str | None, states: States, conditions: Condition, tasks: Tensor, size: int, counted: str = ""
    ) -> Tensor:
        """Velocities [N, ...] without gradients, `size` states at a time. `tasks` [B]: rows of `conditions`."""
        parts = [
            self.velocity(policy, part.x, part.sigma, conditions.take(tasks[part.row]), counted=counted)
            for part in states.batches(size)
        ]
        return torch.cat(parts)
