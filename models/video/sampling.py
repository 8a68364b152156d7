"""Samplers over a velocity field: the probability-flow ODE and the stochastic steps of Flow-GRPO."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Tensor], Tensor]  # (x [B, ...], sigma [B]) -> dx/dsigma [B, ...]


@dataclass(frozen=True)
class Trajectory:
    """States x float32 [steps + 1, B, ...] from noise (first) to data (last), at `sigmas` float32 [steps + 1].

    `velocities` [steps, B, ...] are those the sampler used at all but the last state; None when they were not kept.
    """

    states: Tensor
    sigmas: Tensor
    velocities: Tensor | None = None

    @property
    def clean(self) -> Tensor:
        return self.states[-1]


def ode(velocity: Velocity, start: Tensor, sigmas: Tensor, keep: bool = False) -> Trajectory:
    """Euler steps of dx/dsigma = v: the sampler of FlowMatchEulerDiscreteScheduler (WMSD Eq. 2).

    `start` is x at sigmas[0]. With `keep` all states and velocities stay, else only the first and the last state.
    """
    x, states, velocities = start, [start], []
    for here, there in zip(sigmas[:-1], sigmas[1:], strict=True):
        v = velocity(x, here.expand(len(x)))
        x = x + (there - here) * v
        if keep:
            states.append(x)
            velocities.append(v)
    if not keep:
        return Trajectory(torch.stack([start, x]), torch.stack([sigmas[0], sigmas[-1]]))
    return Trajectory(torch.stack(states), sigmas, torch.stack(velocities))
