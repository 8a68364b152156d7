"""States at which a learner is trained: of a rollout's own trajectory, or of its clean state noised again."""

from collections.abc import Sequence

import torch
from torch import Tensor

from models.video.protocol import VideoModel
from models.video.seeds import seed_of
from training.objectives.levels import training_levels, training_steps
from training.options.objectives import Levels
from training.policies.predictor import States
from training.rollouts import Rollouts


def trajectory_states(rollouts: Rollouts, steps: Sequence[int]) -> States:
    """The states of all B rollouts at some steps of the sampler, N = steps x B, step by step."""
    count, batch = len(steps), len(rollouts.plan)
    at = torch.as_tensor(steps)
    sigma = rollouts.sigmas[at.to(rollouts.sigmas.device)]
    return States(
        x=rollouts.states[at].flatten(0, 1),
        sigma=sigma.repeat_interleave(batch),
        row=torch.arange(batch).repeat(count),
        step=at.repeat_interleave(batch),
    )


def matching_states(
    model: VideoModel, rollouts: Rollouts, used: Tensor, objective: Levels, seed: int, step: int
) -> States:
    """Rollouts `used` (indices) noised again at N / len(used) = `objective.timesteps` levels each, with fresh noise.

    Levels are drawn once a step and shared by all rollouts, so that a group is compared at equal levels, or drawn for
    each rollout (`level_each`). All draws are functions of the seed, the step and the rollout's own seed: any process
    draws the same for the same rollout.
    """
    sigmas, count, device = rollouts.sigmas.cpu(), objective.timesteps, rollouts.sigmas.device
    own = [rollouts.plan.seeds[i] for i in used.tolist()]

    def drawn(*of: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed_of(seed, "levels", step, *of))
        return training_levels(sigmas, objective, generator)

    if objective.level_each:
        sigma = torch.stack([drawn(one) for one in own], dim=1).flatten().to(device)
    else:
        sigma = drawn().to(device).repeat_interleave(len(used))
    seeds = [seed_of(one, "noise", level) for level in range(count) for one in own]
    x0 = rollouts.clean[used].repeat(count, *[1] * (rollouts.clean.ndim - 1))
    noise = model.noise(seeds)
    return States(x=model.noised(x0, noise, sigma), sigma=sigma, row=used.repeat(count), x0=x0, noise=noise)


def distilled_steps(steps: int, count: int, seed: int, step: int) -> list[int]:
    """`count` of the sampler's steps at which the teacher is asked: spread out, ascending, each as likely as any."""
    generator = torch.Generator().manual_seed(seed_of(seed, "distilled", step))
    if steps % count == 0:
        return training_steps(range(steps), count, generator).tolist()
    # Strata would share steps, and one that two of them draw would be asked once. At equal distances none is twice.
    first = float(torch.rand((), generator=generator, dtype=torch.float64))
    return [min(int((place + first) * steps / count), steps - 1) for place in range(count)]
