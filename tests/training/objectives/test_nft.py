"""Claims about DiffusionNFT: its gradient on policy, its trust region, and the value worth logging."""

import pytest
import torch
from pydantic import ValidationError

from models.video.flow import clean_prediction, mean_over_state, renoise
from training.objectives.nft import nft_loss, nft_loss_clean
from training.options.objectives import NFT
from training.options.rewards import RewardOptions


def noisy(rows):
    return renoise(rows.x0, rows.noise, rows.sigma)


def adaptive(rows, v, frozen):
    """The flow matching error in data space over the adaptive weight of a frozen prediction."""
    distance = clean_prediction(noisy(rows), v, rows.sigma) - rows.x0
    weight = mean_over_state((clean_prediction(noisy(rows), frozen, rows.sigma) - rows.x0).abs(), rows.mask)
    return mean_over_state(distance.square(), rows.mask) / weight


def branches(v, old, x, x0, sigma, nft_beta=1.0, mask=None):
    """L+ and L- of each row: the loss times nft_beta where r is 1, and where it is 0."""
    sides = (torch.full((len(v),), side, dtype=torch.float64) for side in (1.0, -1.0))
    return [nft_loss(v, old, x, x0, sigma, side, nft_beta=nft_beta, mask=mask).loss * nft_beta for side in sides]


@pytest.mark.parametrize("nft_beta", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("r", [0.0, 0.1, 0.5, 0.7, 1.0])
def test_on_policy_the_gradient_is_that_of_weighted_flow_matching_whatever_the_mixing(
    rows, differences, gradient, nft_beta, r
):
    """(2 r - 1) grad L_FM, by autograd and by differences of the released form with frozen weights."""
    advantage = torch.full((6,), 2 * r - 1, dtype=torch.float64)

    def loss(v):
        return nft_loss(
            v, rows.prediction, noisy(rows), rows.x0, rows.sigma, advantage, nft_beta=nft_beta, mask=rows.mask
        ).loss

    def expected(v):
        return (2 * r - 1) * adaptive(rows, v, rows.prediction)

    got = gradient(loss, rows.prediction)
    torch.testing.assert_close(got, gradient(expected, rows.prediction), rtol=1e-9, atol=1e-14)
    torch.testing.assert_close(got, differences(expected, rows.prediction), rtol=1e-6, atol=1e-9)


def test_skipping_the_old_forward_changes_no_bit(rows):
    def run(old):
        v = rows.prediction.float().clone().requires_grad_()
        terms = nft_loss(
            v,
            old(v),
            noisy(rows).float(),
            rows.x0.float(),
            rows.sigma.float(),
            rows.advantage,
            nft_beta=0.3,
            mask=rows.mask,
        )
        terms.loss.sum().backward()
        return terms.loss.detach(), v.grad

    for a, b in zip(run(lambda v: None), run(lambda v: v.detach().clone()), strict=True):
        assert torch.equal(a, b)


def test_the_value_on_policy_does_not_know_the_rewards_and_the_weighted_term_does(rows):
    def terms(advantage):
        return nft_loss(rows.prediction, None, noisy(rows), rows.x0, rows.sigma, advantage, mask=rows.mask)

    one, other = terms(rows.advantage), terms(-rows.advantage)
    torch.testing.assert_close(one.loss, other.loss)
    torch.testing.assert_close(one.weighted, rows.advantage * adaptive(rows, rows.prediction, rows.prediction))
    torch.testing.assert_close(other.weighted, -one.weighted)
    assert not one.weighted.requires_grad


def test_branches_by_number():
    """Data 0 at sigma 0.5 from x 1: v = 1.2 predicts 0.4, old v = 1.6 predicts 0.2; beta .5 mixes to 0.3 and 0.1."""
    x, x0, sigma = torch.ones(1, 4).double(), torch.zeros(1, 4).double(), torch.tensor([0.5])
    v, old = torch.full((1, 4), 1.2).double(), torch.full((1, 4), 1.6).double()
    terms = nft_loss(v, old, x, x0, sigma, torch.tensor([0.5]), nft_beta=0.5)
    positive, negative = branches(v, old, x, x0, sigma, nft_beta=0.5)
    assert positive.item() == pytest.approx(0.3**2 / 0.3)
    assert negative.item() == pytest.approx(0.1**2 / 0.1)
    assert terms.loss.item() == pytest.approx((0.75 * 0.3 + 0.25 * 0.1) / 0.5)


def test_raw_z_scores_with_clip_five_give_the_released_form(rows):
    """A of +-5 or more is a certain sample (r 1 or 0); the gradient there is 5 times that of r = 1."""
    advantage = torch.tensor([5.0, -5.0, 9.0, -9.0, 0.0, 2.5], dtype=torch.float64)
    terms = nft_loss(
        rows.prediction, rows.other, noisy(rows), rows.x0, rows.sigma, advantage, advantage_clip=5.0, mask=rows.mask
    )
    positive, negative = branches(rows.prediction, rows.other, noisy(rows), rows.x0, rows.sigma, mask=rows.mask)
    torch.testing.assert_close(terms.loss[[0, 2]], 5 * positive[[0, 2]])
    torch.testing.assert_close(terms.loss[[1, 3]], 5 * negative[[1, 3]])
    torch.testing.assert_close(terms.loss[5], 5 * (0.75 * positive[5] + 0.25 * negative[5]))


def test_with_frozen_weights_it_is_linear_matching_plus_a_penalty_to_the_old_policy(rows):
    """Loss = const - 2 sigma (2 r - 1) <e, d> + beta sigma^2 |d|^2 (means), where both adaptive weights are 1."""
    x, sigma, beta = noisy(rows), rows.sigma.view(-1, 1, 1, 1), 0.4
    r = rows.advantage / 2 + 0.5

    def branch(v):
        return mean_over_state((x - sigma * v - rows.x0).square())

    def released(v):
        plus, minus = beta * v + (1 - beta) * rows.other, (1 + beta) * rows.other - beta * v
        return (r * branch(plus) + (1 - r) * branch(minus)) / beta

    move = rows.prediction - rows.other
    linear = -2 * rows.sigma * (2 * r - 1) * mean_over_state((x - sigma * rows.other - rows.x0) * move)
    penalty = beta * rows.sigma**2 * mean_over_state(move.square())
    torch.testing.assert_close(released(rows.prediction) - released(rows.other), linear + penalty)
    positive, _ = branches(rows.prediction, rows.other, x, rows.x0, rows.sigma, nft_beta=beta)
    plus = beta * rows.prediction + (1 - beta) * rows.other
    weight = mean_over_state((x - sigma * plus - rows.x0).abs())
    torch.testing.assert_close(positive, branch(plus) / weight)


def test_an_old_policy_that_differs_changes_the_gradient(rows, gradient):
    def pull(old):
        return gradient(
            lambda v: nft_loss(v, old, noisy(rows), rows.x0, rows.sigma, rows.advantage).loss, rows.prediction
        )

    assert not torch.allclose(pull(None), pull(rows.other))


def test_mixing_velocities_or_predicted_data_is_the_same(rows):
    """Models that predict data take the other entrance to one loss."""
    x = noisy(rows)
    by_velocity = nft_loss(rows.prediction, rows.other, x, rows.x0, rows.sigma, rows.advantage, nft_beta=0.3)
    clean, old = (clean_prediction(x, v, rows.sigma) for v in (rows.prediction, rows.other))
    assert torch.equal(nft_loss_clean(clean, old, rows.x0, rows.advantage, nft_beta=0.3).loss, by_velocity.loss)


def test_a_perfect_prediction_divides_by_the_floor_and_stays_finite(rows, gradient):
    def loss(v):
        return nft_loss(v, None, noisy(rows), rows.x0, rows.sigma, rows.advantage).loss

    assert torch.isfinite(loss(rows.target)).all()
    assert torch.isfinite(gradient(loss, rows.target)).all()


def test_only_the_prediction_gets_a_gradient(rows):
    v, old, x, x0 = (t.clone().requires_grad_() for t in (rows.prediction, rows.other, noisy(rows), rows.x0))
    nft_loss(v, old, x, x0, rows.sigma, rows.advantage).loss.sum().backward()
    assert v.grad.abs().sum() > 0
    assert (old.grad, x.grad, x0.grad) == (None, None, None)


def test_zero_mixing_and_zero_clip_are_refused():
    with pytest.raises(ValidationError, match=r"beta\n.*greater than 0"):
        NFT(beta=0)
    with pytest.raises(ValidationError, match=r"scale\n.*greater than 0"):
        RewardOptions(scale=-1)


def test_with_edms_velocity_it_is_persistworlds_loss_of_predicted_data(rows):
    """PersistWorld Eq. 1 and 2, at levels from .02 to 700: x0+ = (1 - b) old + b x, x0- = (1 + b) old - b x."""
    sigma, beta = torch.tensor([0.02, 0.3, 1.0, 8.0, 80.0, 700.0], dtype=torch.float64), 0.7
    x = rows.x0 + sigma.view(-1, 1, 1, 1) * rows.noise
    clean, old = rows.prediction, rows.other  # what the two denoisers predict
    velocity, old_velocity = ((x - data) / sigma.view(-1, 1, 1, 1) for data in (clean, old))
    by_velocity = nft_loss(velocity, old_velocity, x, rows.x0, sigma, rows.advantage, nft_beta=beta, mask=rows.mask)
    by_data = nft_loss_clean(clean, old, rows.x0, rows.advantage, nft_beta=beta, mask=rows.mask)
    torch.testing.assert_close(by_velocity.loss, by_data.loss, rtol=1e-12, atol=1e-12)

    away = {"+": (1 - beta) * old + beta * clean - rows.x0, "-": (1 + beta) * old - beta * clean - rows.x0}
    squared = {sign: mean_over_state(part.square(), rows.mask) for sign, part in away.items()}
    weight = {sign: mean_over_state(part.abs(), rows.mask) for sign, part in away.items()}
    r = rows.advantage / 2 + 0.5
    literal = r * squared["+"] + (1 - r) * squared["-"]
    positive, negative = branches(velocity, old_velocity, x, rows.x0, sigma, nft_beta=beta, mask=rows.mask)
    found = r * positive * weight["+"] + (1 - r) * negative * weight["-"]
    torch.testing.assert_close(found, literal, rtol=1e-12, atol=1e-12)
