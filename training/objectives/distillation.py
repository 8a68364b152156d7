"""Self-distillation between Executor (student, under I and T) and Demonstrator (teacher, under I and D).

One primitive serves all: the disagreement of two velocities at one state. At teacher states it is the off-policy loss
(Eq. 3), at the student's own states the anchor (Eq. 11), and detached and integrated along a rollout the reward (Eq.
9), so that anchor and reward share the teacher's passes. Equations are those of the WMSD paper, whose integral over t
from 0 to 1 is here one over sigma = 1 - t from 1 to 0, in the sampler's own steps; squared distances do not see the
sign of v.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from training.objectives.matching import squared_distance


def disagreement(student: Tensor, teacher: Tensor, mask: Tensor | None = None) -> Tensor:
    """l of Eq. 4, float64 [N]: squared distance of student and teacher velocities [N, ...] at the same states.

    A mean over the state's masked-in dims where the paper writes a sum, so that beta_d and lambda_distill do not depend
    on the size of the video (as in the released relatives of the method). Gradients go to both arguments.
    """
    return squared_distance(student, teacher, mask)


def anchor_loss(student: Tensor, teacher: Tensor, mask: Tensor | None = None) -> Tensor:
    """L_anchor of Eq. 11, float64 [N], at states of rollouts that the caller has detached; velocities [N, ...].

    At states of the teacher's own rollouts it is L_off of Eq. 3. The teacher gets no gradient. Weighted by
    `step_weights` rows sum to the equation's integral.
    """
    return disagreement(student, teacher.detach(), mask)


def distillation_reward(disagreements: Tensor, weights: Tensor) -> Tensor:
    """r_distill of Eq. 9, float64 [B], at most 0: minus the cost (Eq. 6) of each rollout, without gradients.

    `disagreements` [N, B] at N of the sampler's states, `weights` [N] of those steps (`step_weights`). It acts through
    the advantages alone: rollouts whose dynamics the teacher shares become likelier.
    """
    return -(weights[:, None] * disagreements.detach().double()).sum(0)


def step_weights(sigmas: Tensor, count: int, flow_time: bool = True, window: Sequence[int] = ()) -> Tensor:
    """float64 [S], by step of the sampler: what it counts in an integral over flow time (Eq. 9, 11) of `count` steps.

    A step counts by its start for the flow time it covers, as the Euler sampler has it. Over all S steps the weights
    sum to S / count, so that `count` steps of equal chance give the integral on average. Without `flow_time` every step
    counts alike: an integral over the sampler's own time.

    `window`: the only steps at which the teacher is asked, where those are not drawn from all (Flow-GRPO's). Weights
    are then shares of the window's flow time, not of the whole, and 0 elsewhere: beta_d and lambda_distill mean the
    same for each objective. A deviation from Eq. 9 and 11: what is averaged is the disagreement at the window's levels
    only, which are near noise in a window at the start.
    """
    lengths = step_lengths(sigmas)
    if not flow_time:
        lengths = torch.ones_like(lengths)
    asked = torch.zeros_like(lengths)
    asked[list(window) if window else slice(None)] = 1
    lengths = lengths * asked
    return lengths / lengths.sum() * (asked.sum() / count)


def step_lengths(sigmas: Tensor) -> Tensor:
    """How much flow time each sampler step covers: float64 [S], positive, for falling sigmas [S + 1].

    Raises ValueError where sigmas do not fall.
    """
    lengths = -sigmas.double().diff()
    if not bool((lengths > 0).all()):
        raise ValueError(f"sigmas are {sigmas.tolist()}: they must fall from noise (1) to data (0)")
    return lengths
