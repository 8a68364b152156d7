"""Self-distillation between Executor (student, under I and T) and Demonstrator (teacher, under I and D).

One primitive serves all: the disagreement of two velocities at one state. At teacher states it is the off-policy loss
(Eq. 3), at the student's own states the anchor (Eq. 11), and detached and integrated along a rollout the reward (Eq.
9), so that anchor and reward share the teacher's passes. Equations are those of the WMSD paper, whose integral over t
from 0 to 1 is here one over sigma = 1 - t from 1 to 0, in the sampler's own steps; squared distances do not see the
sign of v.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from training.matching import squared_distance


def disagreement(student: Tensor, teacher: Tensor, mask: Tensor | None = None) -> Tensor:
    """l of Eq. 4, float64 [N]: squared distance of student and teacher velocities [N, ...] at the same states.

    A mean over the state's masked-in dims where the paper writes a sum, so that beta_d and lambda_distill do not depend
    on the size of the video (as in the released relatives of the method). Gradients go to both arguments.
    """
    return squared_distance(student, teacher, mask)


def anchor_loss(student: Tensor, teacher: Tensor, mask: Tensor | None = None) -> Tensor:
    """L_anchor of Eq. 11, float64 [N], at states of the student's rollouts that the caller has detached.

    Velocities [N, ...]. The teacher gets no gradient. Rows drawn with equal chance from the S steps of a sampler give
    the equation's integral when weighted by S * step_lengths(sigmas)[i]; unweighted they give the mean over steps.
    """
    return disagreement(student, teacher.detach(), mask)


def off_policy_loss(student: Tensor, teacher: Tensor, mask: Tensor | None = None) -> Tensor:
    """L_off of Eq. 3, float64 [N]: the anchor's formula at states of the teacher's own rollouts."""
    return anchor_loss(student, teacher, mask)


def step_lengths(sigmas: Tensor) -> Tensor:
    """How much flow time each sampler step covers: float64 [S], positive, for falling sigmas [S + 1].

    Raises ValueError where sigmas do not fall.
    """
    lengths = -sigmas.double().diff()
    if not bool((lengths > 0).all()):
        raise ValueError(f"sigmas are {sigmas.tolist()}: levels falling from noise (1) to data (0) are expected")
    return lengths


def cost(disagreements: Tensor, sigmas: Tensor, rule: Literal["step", "trapezoid"] = "step") -> Tensor:
    """C of Eq. 6, float64 [B]: disagreements integrated over flow time, given at the sampler's states.

    `disagreements` [S, B] belong to the first S of `sigmas` [S + 1]: a sampler asks for no velocity at data. `step`
    counts each step by its start, as the Euler sampler does; `trapezoid` by the mean of both ends, and the last step by
    its start. Differentiable in `disagreements`. Raises ValueError for other lengths or another rule.
    """
    lengths = step_lengths(sigmas).to(disagreements.device)
    if len(disagreements) != len(lengths):
        raise ValueError(
            f"{len(disagreements)} rows of disagreements for {len(lengths)} sampler steps: one a step is expected"
        )
    values = disagreements.double()
    if rule == "trapezoid":
        values = (values + torch.cat([values[1:], values[-1:]])) / 2
    elif rule != "step":
        raise ValueError(f"rule is {rule!r}: step or trapezoid is expected")
    return lengths @ values


@torch.no_grad()
def distillation_reward(
    student: Tensor | Sequence[Tensor],
    teacher: Tensor | Sequence[Tensor],
    sigmas: Tensor,
    mask: Tensor | None = None,
    rule: Literal["step", "trapezoid"] = "step",
) -> Tensor:
    """r_distill of Eq. 9, float64 [B], at most 0: minus the cost of a rollout, without gradients.

    `student` and `teacher` are velocities [S, B, ...] (or S of [B, ...]) at the same S states of the student's rollout:
    `Trajectory.velocities`, and the teacher's at `Trajectory.states[:-1]`; `sigmas` [S + 1]. It acts through the
    advantages alone: rollouts whose dynamics the teacher shares become likelier. Raises ValueError as `cost` does.
    """
    rows = [disagreement(one, other, mask) for one, other in zip(student, teacher, strict=True)]
    return -cost(torch.stack(rows), sigmas, rule)
