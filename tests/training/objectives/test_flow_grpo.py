"""Claims about Flow-GRPO's loss: ratio one on policy, clipping, and the penalty to the reference."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch.distributions import Normal, kl_divergence

from models.video.sampling import sde_step
from training.objectives.flow_grpo import flow_grpo_loss
from training.options.objectives import FlowGRPO


def scored(rows, v):
    """A recorded step at sigma .6, scored under velocities v."""
    sigma = torch.tensor(0.6, dtype=torch.float64)
    return sde_step(rows.x0, v, sigma, sigma - 0.1, 0.7, 0.9, x_next=rows.other, mask=rows.mask)


def test_on_policy_the_ratio_is_one_to_the_bit(rows):
    step = scored(rows, rows.prediction)
    recorded = flow_grpo_loss(step.log_prob, scored(rows, rows.prediction).log_prob, rows.advantage)
    skipped = flow_grpo_loss(step.log_prob, None, rows.advantage)
    assert torch.equal(recorded.ratio, torch.ones(6, dtype=torch.float64))
    assert torch.equal(recorded.loss, -rows.advantage)
    assert torch.equal(recorded.loss, skipped.loss)


def test_the_on_policy_gradient_is_that_of_the_log_density(rows, gradient):
    """However narrow the clip: GRPO's first step is REINFORCE's."""
    old = scored(rows, rows.prediction).log_prob
    got = gradient(
        lambda v: flow_grpo_loss(scored(rows, v).log_prob, old, rows.advantage, clip=1e-5).loss, rows.prediction
    )
    expected = gradient(lambda v: -rows.advantage * scored(rows, v).log_prob, rows.prediction)
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=0)
    assert got.abs().sum() > 0


def test_off_policy_gradient_with_penalty_by_differences(rows, gradient, differences):
    old = scored(rows, rows.teacher).log_prob - 0.05
    reference = scored(rows, rows.teacher)

    def loss(v):
        step = scored(rows, v)
        return flow_grpo_loss(
            step.log_prob,
            old,
            rows.advantage,
            clip=0.1,
            mean=step.mean,
            ref_mean=reference.mean,
            std=step.std,
            kl=0.3,
            mask=rows.mask,
        ).loss

    nearby = rows.teacher + 0.1 * rows.prediction  # near the old policy: not every row is clipped
    torch.testing.assert_close(gradient(loss, nearby), differences(loss, nearby), rtol=1e-5, atol=1e-9)


def test_clipping_by_number():
    """A ratio of 1.5 at clip .2 counts 1.2 where it is a gain, whole where it is a loss; .5 the other way round."""
    log_prob = torch.tensor([1.5, 1.5, 0.5, 0.5], dtype=torch.float64).log()
    terms = flow_grpo_loss(log_prob, torch.zeros(4), torch.tensor([1.0, -1.0, 1.0, -1.0]), clip=0.2)
    assert terms.ratio.tolist() == pytest.approx([1.5, 1.5, 0.5, 0.5])
    assert terms.loss.tolist() == pytest.approx([-1.2, 1.5, -0.5, 0.8])


def test_the_penalty_is_the_kl_of_the_two_steps_per_dim(rows):
    step, reference = scored(rows, rows.prediction), scored(rows, rows.teacher)
    terms = flow_grpo_loss(
        step.log_prob,
        None,
        rows.advantage,
        mean=step.mean,
        ref_mean=reference.mean,
        std=step.std,
        kl=0.04,
        mask=rows.mask,
    )
    exact = kl_divergence(Normal(step.mean, step.std[0]), Normal(reference.mean, step.std[0]))
    torch.testing.assert_close(terms.loss, -rows.advantage + 0.04 * exact[:, :, 1:].flatten(1).mean(1))


def test_the_released_penalty_is_ours_times_the_step(rows):
    """They divide by 2 s^2 with std = s sqrt(-dt): with dt = -.1 their .04 is .004 here."""
    step, reference = scored(rows, rows.prediction), scored(rows, rows.teacher)
    s2 = 0.49 * 0.6 / 0.4
    released = 0.04 * (step.mean - reference.mean).square()[:, :, 1:].flatten(1).mean(1) / (2 * s2)
    ours = flow_grpo_loss(
        step.log_prob,
        None,
        torch.zeros(6),
        mean=step.mean,
        ref_mean=reference.mean,
        std=step.std,
        kl=0.004,
        mask=rows.mask,
    )
    torch.testing.assert_close(ours.loss, released)


def test_reference_old_policy_and_std_get_no_gradient(rows):
    v, old, reference, std = (
        tensor.clone().requires_grad_()
        for tensor in (rows.prediction, torch.zeros(6).double(), rows.teacher, torch.ones(6).double())
    )
    step = scored(rows, v)
    terms = flow_grpo_loss(
        step.log_prob, old, rows.advantage, clip=1.0, mean=step.mean, ref_mean=reference, std=std, kl=1.0
    )
    terms.loss.sum().backward()
    assert v.grad.abs().sum() > 0
    assert (old.grad, reference.grad, std.grad) == (None, None, None)


def test_a_step_against_the_gradient_makes_good_steps_likelier(rows, gradient):
    pull = gradient(lambda v: flow_grpo_loss(scored(rows, v).log_prob, None, rows.advantage).loss, rows.prediction)
    gain = scored(rows, rows.prediction - 1e-3 * pull).log_prob - scored(rows, rows.prediction).log_prob
    assert torch.equal(torch.sign(gain), torch.sign(rows.advantage))


def test_a_clip_without_width_is_refused():
    with pytest.raises(ValidationError, match=r"clip\n.*greater than 0"):
        FlowGRPO(clip=-1)


def test_ratios_of_long_videos_stay_near_one():
    """Why densities are averaged: the sum over a million dims would make the ratio 0 or infinite."""
    log_prob = torch.tensor([-1.0 + 1e-3], dtype=torch.float64)
    ratio = flow_grpo_loss(log_prob, torch.tensor([-1.0], dtype=torch.float64), torch.ones(1)).ratio
    assert ratio.item() == pytest.approx(math.exp(1e-3))
