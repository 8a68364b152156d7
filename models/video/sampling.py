"""Samplers over a velocity field: the probability-flow ODE and the stochastic steps of Flow-GRPO.

sigma falls from 1 (noise) to 0 (data), so that a step's dt = sigma_next - sigma is negative. The stochastic steps are
those of the released Flow-GRPO code, in float32.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from models.video.flow import along, full_precision, mean_over_state

Velocity = Callable[[Tensor, Tensor], Tensor]  # (x [B, ...], sigma [B]) -> dx/dsigma [B, ...]
Noise = Callable[[Sequence[int]], Tensor]  # seeds [B] -> standard normal states [B, ...], as VideoModel.noise


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


@dataclass(frozen=True, kw_only=True)
class SDETrajectory(Trajectory):
    """A trajectory whose steps named by `stochastic` (W indices) were drawn from a Gaussian; the rest are Euler's.

    `log_probs` float64 [W, B] are of those steps. To score step i under another policy: sde_step(states[i], v,
    sigmas[i], sigmas[i + 1], eta, sigmas[1], x_next=states[i + 1]).
    """

    stochastic: tuple[int, ...]
    log_probs: Tensor


class Step(NamedTuple):
    """One stochastic step: x_next and mean float32 [N, ...], std float32 [N], log_prob float64 [N] (mean over dims)."""

    x_next: Tensor
    mean: Tensor
    std: Tensor
    log_prob: Tensor


def ode(velocity: Velocity, start: Tensor, sigmas: Tensor, keep: bool = False) -> Trajectory:
    """Euler steps of dx/dsigma = v: the sampler of FlowMatchEulerDiscreteScheduler (WMSD Eq. 2).

    `start` is x at sigmas[0]. With `keep` all states and velocities stay, else only the first and the last state.
    """
    x, states, velocities = start, [start], []
    for here, there in pairwise(sigmas):
        v = velocity(x, here.expand(len(x)))
        x = x + (there - here) * v
        if keep:
            states.append(x)
            velocities.append(v)
    if not keep:
        return Trajectory(torch.stack([start, x]), torch.stack([sigmas[0], sigmas[-1]]))
    return Trajectory(torch.stack(states), sigmas, torch.stack(velocities))


def sde_step(
    x: Tensor,
    v: Tensor,
    sigma: Tensor,
    sigma_next: Tensor,
    eta: float,
    sigma_max: Tensor | float,
    *,
    noise: Tensor | None = None,
    x_next: Tensor | None = None,
    mask: Tensor | None = None,
) -> Step:
    """Euler-Maruyama step of the SDE that has the ODE's marginals (WMSD A.9, Flow-GRPO), or the density of a given one.

    With s = eta sqrt(sigma / (1 - sigma)): mean = x (1 + s^2 dt / (2 sigma)) + v (1 + s^2 (1 - sigma) / (2 sigma)) dt,
    std = s sqrt(-dt). In 1 - sigma of s, levels above `sigma_max` count as sigma_max: the sampler's second level, so
    that s is finite at pure noise. (Its first step then adds a variance of eta^2 however short it is, and the marginals
    near pure noise are up to 10 % too wide at eta .7; lower down this is forgotten.)

    Given `noise`, x_next = mean + std noise; given `x_next`, that one is only scored. log_prob is the Gaussian
    log-density averaged (not summed) over the masked-in dims; no gradient goes through x_next.

    x, v, noise, x_next: [N, ...]; sigma > sigma_next: [] or [N]. Elements with mask 0 take the ODE's step: what a model
    holds has velocity 0 and stays put, what it carries along moves without noise. Raises ValueError for eta <= 0 and
    unless exactly one of `noise` and `x_next` is given.
    """
    if not eta > 0:
        raise ValueError(f"eta is {eta}: use a positive noise level, or `ode` for steps without noise")
    x, v = full_precision(x), full_precision(v)
    level, dt = along(sigma, x), along(sigma_next, x) - along(sigma, x)
    s2 = eta**2 * level / (1 - level.clamp(max=torch.as_tensor(sigma_max).to(x)))
    drift = s2 / (2 * level)
    mean = _outside(mask, x * (1 + drift * dt) + v * (1 + drift * (1 - level)) * dt, x + dt * v)
    std = (s2 * -dt).sqrt()
    x_next = _drawn(mean, std, noise, x_next, mask)
    z = (x_next.detach() - mean) / std
    std = std.flatten()
    log_prob = -0.5 * mean_over_state(z.square(), mask) - std.double().log() - 0.5 * math.log(2 * math.pi)
    return Step(x_next, mean, std, log_prob)


def sde(
    velocity: Velocity,
    start: Tensor,
    sigmas: Tensor,
    *,
    eta: float,
    noise: Noise,
    seeds: Sequence[int],
    window: tuple[int, int] | None = None,
    mask: Tensor | None = None,
) -> SDETrajectory:
    """Samples with stochastic steps `first <= i < last` of `window` and the ODE's steps elsewhere (Flow-GRPO-Fast).

    `start` is x [B, ...] at sigmas[0]; `sigmas` float32 [steps + 1]. Without a window every step but the last is
    stochastic: what the last one adds stays in the video. `noise` draws a standard normal state for each seed
    (VideoModel.noise); each of the B `seeds` is spread over the steps, so a row's noise depends on its own seed and the
    step alone. `mask` as in `sde_step`. Raises ValueError for a window outside the steps, for another number of seeds
    than rows, for an eta the step refuses, and for levels above 1: the steps are those of the straight path.
    """
    steps = len(sigmas) - 1
    if sigmas[0] > 1.001:  # rounding may leave a flow model a little above 1
        raise ValueError(f"the first level is {float(sigmas[0]):g}: stochastic steps need levels of at most 1")
    first, last = window or (0, steps - 1)
    if not 0 <= first <= last <= steps:
        raise ValueError(
            f"window is {(first, last)}: it must satisfy 0 <= first <= last <= {steps} (the sampler's steps)"
        )
    if len(seeds) != len(start):
        raise ValueError(f"{len(seeds)} seeds for {len(start)} rows: give one seed for each row")
    x, states, velocities, log_probs = start, [start], [], []
    for i in range(steps):
        here, there = sigmas[i], sigmas[i + 1]
        v = velocity(x, here.expand(len(x)))
        if first <= i < last:
            fresh = noise([step_seed(seed, i) for seed in seeds]).to(x)
            step = sde_step(x, v, here, there, eta, sigmas[1], noise=fresh, mask=mask)
            x = step.x_next
            log_probs.append(step.log_prob)
        else:
            x = x + (there - here) * v
        states.append(x)
        velocities.append(v)
    none = start.new_empty(0, len(start), dtype=torch.float64)
    return SDETrajectory(
        torch.stack(states),
        sigmas,
        torch.stack(velocities),
        stochastic=tuple(range(first, last)),
        log_probs=torch.stack(log_probs) if log_probs else none,
    )


def step_seed(seed: int, step: int) -> int:
    """The seed of one stochastic step of the rollout with this seed: in [0, 2^63), unlike its neighbours'."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{step}".encode(), digest_size=8).digest(), "big") >> 1


def _outside(mask: Tensor | None, inside: Tensor, outside: Tensor) -> Tensor:
    return inside if mask is None else torch.where(mask.to(inside.device) > 0, inside, outside)


def _drawn(mean: Tensor, std: Tensor, noise: Tensor | None, x_next: Tensor | None, mask: Tensor | None) -> Tensor:
    if (noise is None) == (x_next is None):
        raise ValueError("give a step either `noise` to draw with or `x_next` to score, not both or neither")
    if x_next is not None:
        return full_precision(x_next)
    return _outside(mask, mean + std * noise, mean)
