"""Claims about distillation: one primitive, its integral along a rollout, and who gets a gradient."""

import math

import pytest
import torch

from models.video.sampling import ode
from training.distillation import (
    anchor_loss,
    cost,
    disagreement,
    distillation_reward,
    off_policy_loss,
    step_lengths,
)


def test_disagreement_is_a_mean_over_masked_dims(rows):
    expected = (rows.prediction - rows.teacher).square()[:, :, 1:].flatten(1).mean(1)
    torch.testing.assert_close(disagreement(rows.prediction, rows.teacher, rows.mask), expected)


def test_a_video_twice_as_large_disagrees_as_much(rows):
    """Why a mean: beta_d then means the same at every resolution and length."""
    twice = (torch.cat([v, v], dim=3) for v in (rows.prediction, rows.teacher))
    torch.testing.assert_close(disagreement(*twice), disagreement(rows.prediction, rows.teacher))


@pytest.mark.parametrize("loss", [anchor_loss, off_policy_loss])
def test_the_teacher_gets_no_gradient(rows, loss, gradient):
    student, teacher = rows.prediction.clone().requires_grad_(), rows.teacher.clone().requires_grad_()
    loss(student, teacher, rows.mask).sum().backward()
    assert teacher.grad is None
    expected = 2 * (rows.prediction - rows.teacher) * rows.mask / 16
    torch.testing.assert_close(student.grad, expected)


def test_the_reward_has_no_gradient_at_all(rows):
    student = rows.prediction.clone().requires_grad_()
    reward = distillation_reward(student[None], rows.teacher[None].requires_grad_(), torch.tensor([1.0, 0.0]))
    assert not reward.requires_grad


def test_the_reward_is_minus_the_anchor_over_the_rollout(rows):
    """Eq. 9 and 11 share the teacher's passes: weighted by step lengths they are one number."""
    student = torch.stack([rows.prediction, rows.other, rows.x0])
    teacher = torch.stack([rows.teacher, rows.teacher, rows.noise])
    sigmas = torch.tensor([1.0, 0.7, 0.6, 0.0])
    reward = distillation_reward(student, teacher, sigmas, rows.mask)
    anchors = torch.stack([anchor_loss(s, t, rows.mask) for s, t in zip(student, teacher, strict=True)])
    torch.testing.assert_close(reward, -(step_lengths(sigmas)[:, None] * anchors).sum(0))
    torch.testing.assert_close(step_lengths(sigmas), torch.tensor([0.3, 0.1, 0.6]).double(), rtol=0, atol=1e-7)
    assert (reward <= 0).all()


def test_equal_velocities_earn_the_best_reward(rows):
    stacked = torch.stack([rows.prediction, rows.other])
    assert not distillation_reward(stacked, stacked.clone(), torch.tensor([1.0, 0.5, 0.0])).any()


def rollout(steps: int):
    """Student dx/dsigma = x, teacher (1 + sigma) x: along x = x(1) e^(sigma - 1) they disagree by sigma^2 x^2."""
    start = torch.tensor([[1.0, 2.0], [3.0, -1.0]], dtype=torch.float64)
    sigmas = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    trajectory = ode(lambda x, sigma: x, start, sigmas, keep=True)
    teacher = (1 + sigmas[:-1].view(-1, 1, 1)) * trajectory.states[:-1]
    # the integral of s^2 e^(2 s - 2) over [0, 1] is 1/4 - e^-2 / 4
    exact = -start.square().mean(1) * (1 - math.exp(-2)) / 4
    return trajectory, teacher, exact


@pytest.mark.parametrize(("rule", "bound"), [("step", 0.05), ("trapezoid", 0.02)])
def test_the_reward_is_the_integral_of_eq_9_on_an_analytic_field(rule, bound):
    errors = []
    for steps in (64, 128):
        trajectory, teacher, exact = rollout(steps)
        reward = distillation_reward(trajectory.velocities, teacher, trajectory.sigmas, rule=rule)
        errors.append(((reward - exact) / exact).abs().max().item())
    assert errors[0] < bound
    assert errors[1] < 0.6 * errors[0]  # the Euler rollout itself is of first order


def test_both_rules_against_quadrature():
    """The integral of cos^2 over uneven steps: the trapezoid misses it by the last step's share alone."""
    sigmas = (torch.linspace(1, 0, 201, dtype=torch.float64)) ** 1.5
    values = torch.cos(3 * sigmas[:-1, None]) ** 2
    exact = 0.5 + math.sin(6) / 12
    assert cost(values, sigmas, "step").item() == pytest.approx(exact, abs=0.01)
    assert cost(values, sigmas, "trapezoid").item() == pytest.approx(exact, abs=1e-4)


def test_a_constant_disagreement_costs_itself_under_any_schedule():
    sigmas = torch.tensor([1.0, 0.99, 0.4, 0.1, 0.0])
    for rule in ("step", "trapezoid"):
        torch.testing.assert_close(cost(torch.full((4, 2), 0.7), sigmas, rule), torch.full((2,), 0.7).double())


def test_direction_of_time_leaves_the_reward_alone(rows):
    """In the paper's time both velocities change sign and the integral runs the other way."""
    sigmas = torch.tensor([1.0, 0.6, 0.0])
    student, teacher = torch.stack([rows.prediction, rows.other]), torch.stack([rows.teacher, rows.noise])
    torch.testing.assert_close(
        distillation_reward(-student, -teacher, sigmas), distillation_reward(student, teacher, sigmas)
    )


def test_wrong_schedules_and_counts_are_refused(rows):
    with pytest.raises(ValueError, match="falling"):
        step_lengths(torch.tensor([0.0, 0.5, 1.0]))
    with pytest.raises(ValueError, match="2 rows of disagreements for 3"):
        cost(torch.zeros(2, 1), torch.tensor([1.0, 0.6, 0.3, 0.0]))
    with pytest.raises(ValueError, match="'simpson'"):
        cost(torch.zeros(2, 1), torch.tensor([1.0, 0.6, 0.0]), "simpson")
