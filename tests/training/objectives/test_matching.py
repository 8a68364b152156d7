"""Claims about the flow path, masked means, matching errors and the levels at which they are taken."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.video.flow import clean_prediction, mean_over_state, renoise
from training.objectives.levels import training_levels, training_steps
from training.objectives.matching import flow_matching_loss, matching_error, squared_distance, velocity_kl
from training.options.objectives import AWM, Levels


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_sigma_one_is_noise_and_zero_is_data(rows):
    """The sign of time: a reader who takes sigma for the paper's t swaps both ends."""
    assert torch.equal(renoise(rows.x0, rows.noise, torch.ones(6)), rows.noise)
    assert torch.equal(renoise(rows.x0, rows.noise, torch.zeros(6)), rows.x0)


def test_the_velocity_is_the_path_derivative_in_sigma_and_minus_the_papers_in_t(rows):
    h = 1e-6
    ahead = renoise(rows.x0, rows.noise, rows.sigma + h)
    behind = renoise(rows.x0, rows.noise, rows.sigma - h)
    torch.testing.assert_close((ahead - behind) / (2 * h), rows.target, rtol=0, atol=1e-8)
    paper = rows.x0 - rows.noise  # x_1 - x_0 of the paper, whose x_0 is noise
    torch.testing.assert_close(paper, -rows.target)
    torch.testing.assert_close(
        squared_distance(-rows.prediction, paper), squared_distance(rows.prediction, rows.target)
    )


def test_the_true_velocity_predicts_the_data_from_any_level(rows):
    x = renoise(rows.x0, rows.noise, rows.sigma)
    torch.testing.assert_close(clean_prediction(x, rows.target, rows.sigma), rows.x0)


def test_what_noise_holds_at_its_data_stays_to_the_bit():
    """`model.start` puts the first frame into the noise; re-noising then leaves it alone."""
    x0 = torch.randn(64, 5, generator=seeded())
    sigma = torch.rand(64, generator=seeded(1))
    assert torch.equal(renoise(x0, x0.clone(), sigma), x0)


def test_a_masked_mean_counts_masked_in_elements_only(rows):
    expected = rows.x0[:, :, 1:].flatten(1).mean(1)
    torch.testing.assert_close(mean_over_state(rows.x0, rows.mask), expected)
    changed = rows.x0.clone()
    changed[:, :, 0] = 1e6
    torch.testing.assert_close(mean_over_state(changed, rows.mask), expected)
    torch.testing.assert_close(mean_over_state(rows.x0), rows.x0.flatten(1).mean(1))


def test_a_mask_broadcasts_to_one_state_and_never_over_the_batch(rows):
    with pytest.raises(ValueError, match=r"\(6, 1, 1, 1\).*\(2, 3, 4\)"):
        mean_over_state(rows.x0, torch.ones(6, 1, 1, 1))


def test_a_row_in_a_batch_has_the_mean_it_has_alone():
    x = torch.randn(7, 3000, generator=seeded())
    alone = torch.cat([mean_over_state(row[None]) for row in x])
    torch.testing.assert_close(mean_over_state(x), alone, rtol=0, atol=1e-15)


def test_half_precision_is_lifted_before_it_is_subtracted():
    """256 and 257 are the same number in bfloat16, their difference to 0.5 is not."""
    a, b = torch.full((1, 4), 256.0, dtype=torch.bfloat16), torch.full((1, 4), 0.5)
    assert squared_distance(a, b).item() == 255.5**2


@pytest.mark.parametrize(
    ("weighting", "value"),
    [
        ("uniform", 0.25),
        ("t", 0.6 * 0.25),
        ("t2", 0.36 * 0.25),
        ("huber", 0.6 * (math.sqrt(0.25 + 1e-10) - 1e-5)),
        ("ghuber", 0.6 * ((0.25 + 1e-10) ** 0.25 - 1e-10**0.25) / 0.25),
    ],
)
def test_weightings_by_number(weighting, value):
    prediction, target = torch.full((1, 2, 2), 1.5), torch.ones(1, 2, 2)
    error = matching_error(prediction, target, torch.tensor([0.6], dtype=torch.float64), weighting)
    assert error.dtype == torch.float64
    assert error.item() == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize("weighting", ["uniform", "t", "t2", "huber", "ghuber"])
def test_a_perfect_match_costs_nothing_and_pulls_nowhere(rows, gradient, weighting):
    """The roots' slopes at 0 are held finite by a floor."""

    def error(x):
        return matching_error(x, rows.target, rows.sigma, weighting)

    assert error(rows.target).abs().max() < 1e-15
    assert torch.equal(gradient(error, rows.target), torch.zeros_like(rows.target))


@pytest.mark.parametrize("weighting", ["uniform", "t", "t2", "huber", "ghuber"])
def test_the_gradient_of_a_weighted_error_agrees_with_differences(rows, gradient, differences, weighting):
    def error(x):
        return matching_error(x, rows.target, rows.sigma, weighting, mask=rows.mask)

    got = gradient(error, rows.prediction)
    torch.testing.assert_close(got, differences(error, rows.prediction), rtol=1e-6, atol=1e-9)
    assert not got[:, :, 0].any()


def test_ghuber_at_half_is_twice_huber(rows):
    ghuber = matching_error(rows.prediction, rows.target, rows.sigma, "ghuber", 0.5)
    torch.testing.assert_close(ghuber, 2 * matching_error(rows.prediction, rows.target, rows.sigma, "huber"))


def test_unknown_weightings_say_what_is_known():
    with pytest.raises(ValidationError, match=r"'uniform', 't', 't2', 'huber' or 'ghuber'.*'t3'"):
        AWM(weighting="t3")
    with pytest.raises(ValidationError, match=r"power\n.*greater than 0"):
        AWM(power=0)
    with pytest.raises(ValueError, match="0 training levels"):
        training_steps(range(8), 0, seeded())


def test_flow_matching_is_least_where_the_prediction_is_the_mean_target(rows, gradient):
    loss = flow_matching_loss(rows.prediction, rows.target, rows.mask)
    torch.testing.assert_close(
        loss, matching_error(rows.prediction, rows.target, rows.sigma, "uniform", mask=rows.mask)
    )
    pulls = gradient(lambda v: flow_matching_loss(v, rows.target), rows.prediction)
    torch.testing.assert_close(pulls, 2 * (rows.prediction - rows.target) / 24)


def test_velocity_kl_by_number_and_without_gradient_to_the_reference(rows):
    v, ref = rows.prediction.clone().requires_grad_(), rows.other.clone().requires_grad_()
    distance = (v - ref).square()[:, :, 1:].flatten(1).mean(1)
    penalty = velocity_kl(v, ref, rows.mask)
    torch.testing.assert_close(penalty, distance)
    penalty.sum().backward()
    assert v.grad.abs().sum() > 0
    assert ref.grad is None


def test_fourteen_steps_are_trained_at_one_to_eleven():
    drawn = torch.stack([training_steps(Levels().within(14), 6, seeded(seed)) for seed in range(300)])
    assert drawn.unique().tolist() == list(range(1, 12))
    assert (drawn.diff(dim=1) >= 0).all()


def test_each_index_is_equally_likely():
    drawn = torch.cat([training_steps(Levels().within(14), 6, seeded(seed)) for seed in range(2000)])
    share = torch.bincount(drawn, minlength=12)[1:] / len(drawn)
    assert share.sub(1 / 11).abs().max() < 0.007  # 5 standard deviations of 12,000 independent draws are 0.013


@given(st.integers(3, 60), st.integers(1, 12), st.integers(0, 2**32))
def test_no_draw_leaves_the_range(steps, count, seed):
    drawn = training_steps(Levels().within(steps), count, seeded(seed))
    assert len(drawn) == count
    assert drawn.min() >= 1
    assert drawn.max() < max(steps * 0.9, 2)


@pytest.mark.parametrize("steps", [1, 2])
def test_too_few_steps_to_train_at_is_an_error(steps):
    with pytest.raises(ValueError, match="at least one"):
        training_steps(Levels().within(steps), 2, seeded())


def test_discrete_levels_are_the_samplers_own():
    sigmas = torch.linspace(1, 0, 9) ** 0.5
    levels = training_levels(sigmas, Levels(timesteps=4), seeded())
    assert set(levels.tolist()) <= set(sigmas[1:7].tolist())
    assert torch.equal(levels, sigmas[training_steps(range(1, 7), 4, seeded())])


def test_levels_are_the_seeds_alone_and_lie_inside():
    sigmas = torch.linspace(1, 0, 15)
    first, again = (training_levels(sigmas, Levels(timesteps=6), seeded(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.dtype == torch.float32
    assert not torch.equal(first, training_levels(sigmas, Levels(timesteps=6), seeded(4)))
    assert (first > 0).all()
    assert (first < 1).all()


def test_a_window_of_levels_is_kept_to():
    sigmas, window = torch.linspace(1, 0, 9) ** 0.5, Levels(timesteps=2, skip_first=0, fraction=0.375)
    drawn = torch.stack([training_levels(sigmas, window, seeded(seed)) for seed in range(50)])
    assert sorted(set(drawn.flatten().tolist()), reverse=True) == sigmas[:3].tolist()
    assert Levels(skip_first=3, fraction=0.29).within(100) == range(3, 29)


def test_every_draw_spreads_over_all_strata():
    """What stratification is for: of 20 steps 1 to 16 are used here, each draw of 4 has one in each quarter."""
    for seed in range(50):
        steps = training_steps(range(1, 17), 4, seeded(seed))
        assert ((steps - 1) // 4).tolist() == [0, 1, 2, 3]


def test_levels_in_one_batch_pull_as_they_do_one_by_one(rows):
    """Batched t == looped t, for a network's parameters: rows may be stacked over levels."""
    generator = seeded(9)
    network = torch.nn.Sequential(torch.nn.Linear(25, 16), torch.nn.Tanh(), torch.nn.Linear(16, 24)).double()
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64) / 4

    def loss(x0, noise, sigma):
        x = renoise(x0, noise, sigma)
        v = network(torch.cat([x.flatten(1), sigma[:, None]], 1)).view_as(x0)
        return matching_error(v, noise - x0, sigma, mask=rows.mask)

    levels = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    stacked = loss(rows.x0.repeat(3, 1, 1, 1), rows.noise.repeat(3, 1, 1, 1), levels.repeat_interleave(6)).sum()
    together = torch.autograd.grad(stacked, list(network.parameters()))
    looped = [torch.zeros_like(p) for p in network.parameters()]
    for level in levels:
        one = torch.autograd.grad(loss(rows.x0, rows.noise, level.expand(6)).sum(), list(network.parameters()))
        looped = [total + part for total, part in zip(looped, one, strict=True)]
    for a, b in zip(together, looped, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
