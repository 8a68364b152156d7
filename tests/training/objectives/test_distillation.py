"""Claims about distillation: one primitive, its integral along a rollout, and who gets a gradient."""

import math

import pytest
import torch

from models.video.sampling import ode
from training.methods.states import distilled_steps
from training.objectives.distillation import anchor_loss, disagreement, distillation_reward, step_lengths, step_weights


def test_disagreement_is_a_mean_over_masked_dims(rows):
    expected = (rows.prediction - rows.teacher).square()[:, :, 1:].flatten(1).mean(1)
    torch.testing.assert_close(disagreement(rows.prediction, rows.teacher, rows.mask), expected)


def test_a_video_twice_as_large_disagrees_as_much(rows):
    """Why a mean: beta_d then means the same at every resolution and length."""
    twice = (torch.cat([v, v], dim=3) for v in (rows.prediction, rows.teacher))
    torch.testing.assert_close(disagreement(*twice), disagreement(rows.prediction, rows.teacher))


def test_the_teacher_gets_no_gradient(rows):
    student, teacher = rows.prediction.clone().requires_grad_(), rows.teacher.clone().requires_grad_()
    anchor_loss(student, teacher, rows.mask).sum().backward()
    assert teacher.grad is None
    expected = 2 * (rows.prediction - rows.teacher) * rows.mask / 16
    torch.testing.assert_close(student.grad, expected)


def all_steps(student: torch.Tensor, teacher: torch.Tensor, sigmas: torch.Tensor, mask=None) -> torch.Tensor:
    """r_distill from velocities [S, B, ...] at every state of a rollout."""
    apart = torch.stack([disagreement(s, t, mask) for s, t in zip(student, teacher, strict=True)])
    return distillation_reward(apart, step_weights(sigmas, len(apart)))


def test_the_reward_has_no_gradient_at_all(rows):
    student = rows.prediction.clone().requires_grad_()
    reward = all_steps(student[None], rows.teacher[None].requires_grad_(), torch.tensor([1.0, 0.0]))
    assert not reward.requires_grad


def test_the_reward_is_minus_the_anchor_over_the_rollout(rows):
    """Eq. 9 and 11 share the teacher's passes: weighted by step lengths they are one number."""
    student = torch.stack([rows.prediction, rows.other, rows.x0])
    teacher = torch.stack([rows.teacher, rows.teacher, rows.noise])
    sigmas = torch.tensor([1.0, 0.7, 0.6, 0.0])
    reward = all_steps(student, teacher, sigmas, rows.mask)
    anchors = torch.stack([anchor_loss(s, t, rows.mask) for s, t in zip(student, teacher, strict=True)])
    torch.testing.assert_close(reward, -(step_lengths(sigmas)[:, None] * anchors).sum(0))
    torch.testing.assert_close(step_lengths(sigmas), torch.tensor([0.3, 0.1, 0.6]).double(), rtol=0, atol=1e-7)
    assert (reward <= 0).all()


def test_equal_velocities_earn_the_best_reward(rows):
    stacked = torch.stack([rows.prediction, rows.other])
    assert not all_steps(stacked, stacked.clone(), torch.tensor([1.0, 0.5, 0.0])).any()


def rollout(steps: int):
    """Student dx/dsigma = x, teacher (1 + sigma) x: along x = x(1) e^(sigma - 1) they disagree by sigma^2 x^2."""
    start = torch.tensor([[1.0, 2.0], [3.0, -1.0]], dtype=torch.float64)
    sigmas = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    trajectory = ode(lambda x, sigma: x, start, sigmas, keep=True)
    teacher = (1 + sigmas[:-1].view(-1, 1, 1)) * trajectory.states[:-1]
    # the integral of s^2 e^(2 s - 2) over [0, 1] is 1/4 - e^-2 / 4
    exact = -start.square().mean(1) * (1 - math.exp(-2)) / 4
    return trajectory, teacher, exact


def test_the_reward_is_the_integral_of_eq_9_on_an_analytic_field():
    errors = []
    for steps in (64, 128):
        trajectory, teacher, exact = rollout(steps)
        reward = all_steps(trajectory.velocities, teacher, trajectory.sigmas)
        errors.append(((reward - exact) / exact).abs().max().item())
    assert errors[0] < 0.05
    assert errors[1] < 0.6 * errors[0]  # the Euler rollout is of first order


def test_a_constant_disagreement_costs_itself_under_any_schedule():
    sigmas = torch.tensor([1.0, 0.99, 0.4, 0.1, 0.0])
    for flow_time in (True, False):
        reward = distillation_reward(torch.full((4, 2), 0.7), step_weights(sigmas, 4, flow_time))
        torch.testing.assert_close(reward, torch.full((2,), -0.7).double())


@pytest.mark.slow
def test_a_few_steps_of_each_rollout_give_the_integral_on_average():
    """The teacher is asked at `distill.timesteps` of the states: what is left out must not bias the reward."""
    sigmas, values = torch.tensor([1.0, 0.9, 0.75, 0.5, 0.3, 0.0]).double(), torch.tensor([5.0, 1.0, 4.0, 2.0, 3.0])
    whole = distillation_reward(values[:, None].double(), step_weights(sigmas, 5))
    for count in (1, 2, 3, 4, 5):
        drawn = [distilled_steps(5, count, 0, step) for step in range(3000)]
        assert all(len(set(at)) == count and at == sorted(at) for at in drawn)
        weights = step_weights(sigmas, count)
        rewards = [distillation_reward(values[at][:, None].double(), weights[at]) for at in drawn]
        torch.testing.assert_close(torch.stack(rewards).mean(0), whole, rtol=0.03, atol=0)


def test_steps_that_count_alike_give_the_mean_over_the_sampler():
    weights = step_weights(torch.tensor([1.0, 0.9, 0.0]), 2, flow_time=False)
    assert distillation_reward(torch.tensor([[1.0], [3.0]]), weights).item() == -2


def test_in_a_window_weights_are_shares_of_its_own_flow_time():
    """So that beta_d and lambda_distill mean the same for each objective: steep schedules have short first steps."""
    sigmas = torch.tensor([1.0, 0.9, 0.7, 0.2, 0.0])
    first = torch.tensor([1 / 3, 2 / 3, 0, 0]).double()
    torch.testing.assert_close(step_weights(sigmas, 2, window=(0, 1)), first, rtol=0, atol=1e-6)
    assert step_weights(sigmas, 2, False, (0, 1)).tolist() == [0.5, 0.5, 0, 0]
    for flow_time in (True, False):
        assert step_weights(sigmas, 1, flow_time, (2,)).tolist() == [0, 0, 1, 0]
        assert torch.equal(step_weights(sigmas, 4, flow_time, range(4)), step_weights(sigmas, 4, flow_time))


@pytest.mark.parametrize("window", [[0, 1], [1, 4]])
def test_flow_grpos_rewards_and_anchor_average_the_disagreement_of_its_window(tiny_bench, tmp_path, window):
    """Whatever the schedule, and whatever the window's share of it."""
    objective = {"kind": "flow_grpo", "window": window}
    trainer = tiny_bench.trainer(tmp_path / "run", {"distill": {"beta_d": 1.0}}, objective=objective)
    sigmas = torch.tensor([1.0, 0.99, 0.9, 0.6, 0.0])
    trainer.model.sigmas = lambda steps: sigmas
    states, real = [], trainer.method.updated
    trainer.method.updated = lambda *given: (states.append(given[3]), real(*given))[1]
    metrics = trainer.train_step(1)
    (rollouts,) = states
    apart = (
        disagreement(rollouts.velocities[window[0] : window[1]].flatten(0, 1), rollouts.asked.teacher)
        .view(-1, 6)
        .mean(1)
    )
    lengths = step_lengths(sigmas)[window[0] : window[1]]
    expected = float((lengths * apart).sum() / lengths.sum())
    assert metrics["reward/distill"] == pytest.approx(-expected, rel=1e-6)
    assert metrics["anchor"] == pytest.approx(expected, rel=1e-4)


def test_direction_of_time_leaves_the_reward_alone(rows):
    """In the paper's time both velocities change sign and the integral runs the other way."""
    sigmas = torch.tensor([1.0, 0.6, 0.0])
    student, teacher = torch.stack([rows.prediction, rows.other]), torch.stack([rows.teacher, rows.noise])
    torch.testing.assert_close(all_steps(-student, -teacher, sigmas), all_steps(student, teacher, sigmas))


def test_a_schedule_that_does_not_fall_is_refused():
    with pytest.raises(ValueError, match="must fall"):
        step_weights(torch.tensor([0.0, 0.5, 1.0]), 2)
