"""Claims about advantage-weighted matching: exact on policy, clipped off it."""

import math

import pytest
import torch
from pydantic import ValidationError

from models.video.flow import renoise
from training.objectives.awm import awm_loss
from training.objectives.matching import matching_error
from training.options.objectives import AWM


def test_on_policy_the_ratio_is_one_to_the_bit(rows):
    terms = awm_loss(rows.prediction.float(), rows.target.float(), rows.sigma.float(), rows.advantage.float())
    assert torch.equal(terms.ratio, torch.ones(6, dtype=torch.float64))
    assert torch.equal(terms.loss, -rows.advantage.float().double())


def test_skipping_the_old_forward_changes_no_bit(rows):
    """old = None, and the error of a second forward of the same policy without gradients, give the same gradient."""

    def run(old_forward: bool):
        v = rows.prediction.float().clone().requires_grad_()
        arguments = (rows.target.float(), rows.sigma.float())
        old = matching_error(v.detach(), *arguments) if old_forward else None
        terms = awm_loss(v, *arguments, rows.advantage.float(), old_error=old)
        terms.loss.sum().backward()
        return terms.loss.detach(), v.grad

    for a, b in zip(run(True), run(False), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("weighting", ["uniform", "t", "t2", "huber", "ghuber"])
@pytest.mark.parametrize("clip", [1e-4, 1.0])
def test_the_on_policy_gradient_is_the_advantage_times_that_of_the_error(rows, gradient, weighting, clip):
    def loss(v):
        return awm_loss(v, rows.target, rows.sigma, rows.advantage, weighting=weighting, clip=clip, mask=rows.mask).loss

    def weighted(v):
        return rows.advantage * matching_error(v, rows.target, rows.sigma, weighting, mask=rows.mask)

    torch.testing.assert_close(gradient(loss, rows.prediction), gradient(weighted, rows.prediction), rtol=1e-13, atol=0)


def test_off_policy_loss_and_gradient_by_differences(rows, gradient, differences):
    old = matching_error(rows.other, rows.target, rows.sigma)

    def loss(v):
        return awm_loss(v, rows.target, rows.sigma, rows.advantage, old_error=old).loss

    torch.testing.assert_close(
        gradient(loss, rows.prediction), differences(loss, rows.prediction), rtol=1e-6, atol=1e-10
    )


def test_ratio_and_clip_by_number():
    """Errors of 0.5 (now) and 1.5 (old) under `uniform`: the ratio is e, clipped at 1.2 where that lowers the gain."""
    prediction, target = torch.full((2, 2), math.sqrt(0.5), dtype=torch.float64), torch.zeros(2, 2)
    old, advantage = torch.tensor([1.5, 1.5]), torch.tensor([1.0, -1.0])
    terms = awm_loss(prediction, target, torch.full((2,), 0.3), advantage, old_error=old, weighting="uniform", clip=0.2)
    assert terms.error.tolist() == pytest.approx([0.5, 0.5])
    assert terms.ratio.tolist() == pytest.approx([math.e, math.e])
    assert terms.loss.tolist() == pytest.approx([-1.2, math.e])


def test_a_clipped_row_pulls_no_more(rows, gradient):
    old = matching_error(rows.prediction, rows.target, rows.sigma) + 1.0  # the policy already gained a ratio of e
    ahead = gradient(
        lambda v: awm_loss(v, rows.target, rows.sigma, torch.ones(6), old_error=old, clip=0.2).loss, rows.prediction
    )
    assert not ahead.any()


def test_an_old_policy_that_differs_changes_the_gradient(rows, gradient):
    """Catches an old prediction that is overwritten by the current one."""

    def pull(old):
        return gradient(
            lambda v: awm_loss(v, rows.target, rows.sigma, rows.advantage, old_error=old).loss, rows.prediction
        )

    assert not torch.allclose(pull(None), pull(matching_error(rows.other, rows.target, rows.sigma)))


def test_a_step_against_the_gradient_brings_good_samples_nearer_and_bad_ones_further(rows, gradient):
    """The sign of the objective, on the velocity and on the time convention at once."""
    x = renoise(rows.x0, rows.noise, rows.sigma)
    pull = gradient(lambda v: awm_loss(v, rows.target, rows.sigma, rows.advantage).loss, rows.prediction)
    moved = rows.prediction - 0.01 * pull
    level = rows.sigma.view(-1, 1, 1, 1)
    before = (x - level * rows.prediction - rows.x0).square().flatten(1).sum(1)
    after = (x - level * moved - rows.x0).square().flatten(1).sum(1)
    assert torch.equal(torch.sign(before - after), torch.sign(rows.advantage))


def test_neither_target_nor_advantage_nor_old_error_gets_a_gradient(rows):
    watched = [rows.target.clone().requires_grad_(), rows.advantage.clone().requires_grad_()]
    old = torch.ones(6, dtype=torch.float64, requires_grad=True)
    v = rows.prediction.clone().requires_grad_()
    terms = awm_loss(v, watched[0], rows.sigma, watched[1], old_error=old)
    terms.loss.sum().backward()
    assert v.grad.abs().sum() > 0
    assert [tensor.grad for tensor in [*watched, old]] == [None] * 3
    assert not terms.ratio.requires_grad


def test_a_clip_without_width_is_refused():
    with pytest.raises(ValidationError, match=r"clip\n.*greater than 0"):
        AWM(clip=0)
