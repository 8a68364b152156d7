"""The one place where losses become gradients: micro-batches, each with its backward pass."""

from collections.abc import Callable, Mapping

from torch import Tensor

from training.policies.lora import Policies
from training.policies.predictor import States

Losses = Callable[[States], Mapping[str, Tensor]]  # a micro-batch -> by policy the losses [n] that train it


def add_gradients(policies: Policies, states: States, size: int, total: int, losses: Losses) -> None:
    """Adds to `.grad` the gradient of the losses' sum over N states, `size` at a time, divided by `total`.

    The backward pass runs under the policy too: with checkpointing it computes forward again.
    """
    for part in states.batches(size):
        for policy, each in losses(part).items():
            with policies.use(policy):
                (each.sum() / total).backward()
