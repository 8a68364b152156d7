"""Rollouts: K videos for each task of a step, sampled in batches that are judged while the next one is sampled."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.video.protocol import Condition, VideoModel
from models.video.sampling import ode, sde
from models.video.seeds import seed_of
from training.options.objectives import FlowGRPO
from training.policies.predictor import States

Field = Callable[[Tensor, Tensor, Condition], Tensor]  # (x, sigma, condition) -> velocity, of whoever rolls out


@dataclass(frozen=True)
class Plan:
    """Who is sampled in one step by one process: a row a rollout.

    `tasks` are indices into the conditions of this process's tasks, `groups` ids that no other task of the step has,
    `seeds` those of the initial noise: all [B].
    """

    tasks: Tensor
    groups: Tensor
    seeds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.seeds)


def plan(seed: int, step: int, places: Sequence[int], group: int) -> Plan:
    """K = `group` rollouts for each place (position of a task in the step, over all processes), group after group."""
    seeds = tuple(seed_of(seed, "rollout", step, place, k) for place in places for k in range(group))
    own = torch.arange(len(places)).repeat_interleave(group)
    return Plan(own, torch.tensor(places, dtype=torch.int64).repeat_interleave(group), seeds)


@dataclass(frozen=True)
class Rollouts:
    """B finished rollouts. `states` float32 [S + 1, B, ...] and `velocities` [S, B, ...] of the sampler's own policy,
    at `sigmas` [S + 1]; both None unless asked for. `clean` [B, ...].

    `stochastic`, `log_probs` [W, B]: of Flow-GRPO's steps; empty and None otherwise. `asked`: states of the trajectory
    at which the teacher was asked, step by step, with its velocities; None where it was not.
    """

    plan: Plan
    clean: Tensor
    sigmas: Tensor
    states: Tensor | None = None
    velocities: Tensor | None = None
    stochastic: tuple[int, ...] = ()
    log_probs: Tensor | None = None
    asked: States | None = None


@torch.no_grad()
def sample(
    model: VideoModel,
    field: Field,
    conditions: Condition,
    rows: Plan,
    *,
    steps: int,
    batch: int,
    keep: bool,
    objective: FlowGRPO | None = None,
    sampled: Callable[[slice, Tensor], None] = lambda rows, clean: None,
) -> Rollouts:
    """Samples every row of the plan, `batch` at a time; `sampled(rows, clean states)` is called after each batch.

    `conditions` holds one row a task. With `objective` the steps of its window are stochastic. Nothing depends on
    `batch` but memory and when `sampled` is called.
    """
    sigmas = model.sigmas(steps).to(model.device)
    whole: dict[str, Tensor] = {}  # filled as batches come, so that no state is ever there twice
    for first in range(0, len(rows), batch):
        span = slice(first, min(first + batch, len(rows)))
        condition = conditions.take(rows.tasks[span])
        start = model.start(model.noise(rows.seeds[span]), condition)

        def velocity(x: Tensor, sigma: Tensor, condition: Condition = condition) -> Tensor:
            return field(x, sigma, condition)

        if objective is None:
            part = ode(velocity, start, sigmas, keep=keep)
        else:
            seeds = [seed_of(seed, "sde") for seed in rows.seeds[span]]
            options = {"eta": objective.eta, "window": objective.window, "mask": model.mask}
            part = sde(velocity, start, sigmas, noise=model.noise, seeds=seeds, **options)
        kept = {"clean": part.clean[None]}
        if keep or objective is not None:
            kept = {"states": part.states, "velocities": part.velocities}
        if objective is not None:
            kept["log_probs"] = part.log_probs
        for name, tensor in kept.items():
            if name not in whole:
                whole[name] = tensor.new_empty(len(tensor), len(rows), *tensor.shape[2:])
            whole[name][:, span] = tensor
        sampled(span, part.clean)
    clean = whole.pop("clean")[0] if "clean" in whole else whole["states"][-1]
    return Rollouts(rows, clean, sigmas, **whole, stochastic=() if objective is None else part.stochastic)
