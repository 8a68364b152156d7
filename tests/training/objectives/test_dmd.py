"""Claims about distribution matching, on one-dimensional Gaussians where everything is known in closed form."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from models.video.flow import clean_prediction, renoise
from training.objectives.dmd import dmd_gradient, dmd_loss, fake_score_loss, score


def test_the_score_is_that_of_the_noisy_marginal(gaussian_field):
    field = gaussian_field(mean=0.7, std=0.4)
    sigma = torch.tensor([0.1, 0.4, 0.8], dtype=torch.float64)
    x = torch.tensor([[-1.0, 2.0], [0.3, 0.5], [1.0, -2.0]], dtype=torch.float64)
    expected = -(x - (1 - sigma[:, None]) * 0.7) / field.variance(sigma)[:, None]
    torch.testing.assert_close(score(x, field(x, sigma), sigma), expected)


def test_the_score_is_that_of_the_papers_denoiser(rows):
    x, level = renoise(rows.x0, rows.noise, rows.sigma), rows.sigma.view(-1, 1, 1, 1)
    mu = clean_prediction(x, rows.prediction, rows.sigma)
    torch.testing.assert_close(score(x, rows.prediction, rows.sigma), -(x - (1 - level) * mu) / level**2)


def test_the_gradient_is_the_weighted_difference_of_scores(rows):
    x = renoise(rows.x0, rows.noise, rows.sigma)
    difference = score(x, rows.prediction, rows.sigma) - score(x, rows.teacher, rows.sigma)
    alpha = 1 - rows.sigma.view(-1, 1, 1, 1)
    got = dmd_gradient(rows.x0, x, rows.prediction, rows.teacher, rows.sigma)
    torch.testing.assert_close(got, alpha * difference)


def test_the_dmd_weight_is_that_of_its_paper(rows):
    """w = sigma^2 / alpha * dims / |mu_real - x|_1, over masked-in dims."""
    x = renoise(rows.x0, rows.noise, rows.sigma)
    plain = dmd_gradient(rows.x0, x, rows.prediction, rows.teacher, rows.sigma)
    got = dmd_gradient(rows.x0, x, rows.prediction, rows.teacher, rows.sigma, "dmd", rows.mask)
    distance = (clean_prediction(x, rows.teacher, rows.sigma) - rows.x0).abs()[:, :, 1:].flatten(1).mean(1)
    w = rows.sigma**2 / (1 - rows.sigma) / distance
    torch.testing.assert_close(got, w.view(-1, 1, 1, 1) * plain)


@pytest.mark.parametrize("sigma", [0.2, 0.5, 0.9])
def test_the_generators_gradient_is_that_of_the_kl_between_gaussians(gaussian_field, sigma):
    """G(z) = a + b z against data N(m, s^2): its mean over z and noise (Gauss-Hermite) is dKL/da and dKL/db."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    z, noise = (torch.from_numpy(grid.reshape(-1, 1)) for grid in np.meshgrid(nodes, nodes))
    weight = torch.from_numpy(np.outer(weights, weights).reshape(-1) / (2 * np.pi))
    a, b = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.8, 1.3))
    level = torch.full((len(z),), sigma, dtype=torch.float64)

    x = a + b * z
    x_sigma = renoise(x.detach(), noise, level)
    v_fake = gaussian_field(a.item(), b.item())(x_sigma, level)
    v_real = gaussian_field(-0.5, 0.6)(x_sigma, level)
    got = torch.autograd.grad((weight * dmd_loss(x, x_sigma, v_fake, v_real, level)).sum(), (a, b))

    alpha = 1 - sigma
    fake = Normal(alpha * a, (alpha**2 * b**2 + sigma**2).sqrt())
    real = Normal(torch.tensor(alpha * -0.5).double(), torch.tensor(alpha**2 * 0.36 + sigma**2).double().sqrt())
    expected = torch.autograd.grad(kl_divergence(fake, real), (a, b))
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("weight", ["one", "dmd"])
def test_descending_it_moves_the_generator_onto_the_data(gaussian_field, weight):
    """With an exact fake score, which in training is only ever followed: both parameters arrive."""
    generator = torch.Generator().manual_seed(1)
    a, b = torch.tensor(2.0, requires_grad=True), torch.tensor(0.2, requires_grad=True)
    optimizer = torch.optim.Adam([a, b], lr=0.05)
    for _ in range(300):
        x = a + b * torch.randn(256, 1, generator=generator)
        level = 0.1 + 0.8 * torch.rand(256, generator=generator)
        x_sigma = renoise(x.detach(), torch.randn(256, 1, generator=generator), level)
        v_fake = gaussian_field(a.item(), b.item())(x_sigma, level)
        v_real = gaussian_field(-0.5, 0.6)(x_sigma, level)
        optimizer.zero_grad()
        dmd_loss(x, x_sigma, v_fake, v_real, level, weight=weight).mean().backward()
        optimizer.step()
    assert a.item() == pytest.approx(-0.5, abs=0.1)
    assert abs(b.item()) == pytest.approx(0.6, abs=0.1)


def test_the_fake_score_learns_the_generators_own_samples(rows, gradient):
    x = renoise(rows.x0, rows.noise, rows.sigma)
    loss = fake_score_loss(rows.prediction, x, rows.x0, rows.sigma, rows.mask)
    mu = clean_prediction(x, rows.prediction, rows.sigma)
    torch.testing.assert_close(loss, (mu - rows.x0).square()[:, :, 1:].flatten(1).mean(1))
    at_truth = gradient(lambda v: fake_score_loss(v, x, rows.x0, rows.sigma), rows.target)
    torch.testing.assert_close(at_truth, torch.zeros_like(at_truth), rtol=0, atol=1e-15)


def test_no_gradient_reaches_scores_or_the_samplers_states_except_through_x(rows):
    x, x_sigma, v_fake, v_real = (
        t.clone().requires_grad_() for t in (rows.x0, rows.other, rows.prediction, rows.teacher)
    )
    dmd_loss(x, x_sigma, v_fake, v_real, rows.sigma, weight="dmd", mask=rows.mask).sum().backward()
    bracket = dmd_gradient(x, x_sigma, v_fake, v_real, rows.sigma, "dmd", rows.mask)
    torch.testing.assert_close(x.grad, bracket * rows.mask / 16)
    assert (x_sigma.grad, v_fake.grad, v_real.grad) == (None, None, None)
    fake_score_loss(v_fake, x_sigma, x, rows.sigma).sum().backward()
    assert v_fake.grad is not None
    assert x_sigma.grad is None


def test_equal_scores_leave_the_generator_alone(rows):
    for weight in ("one", "dmd"):
        gradient = dmd_gradient(rows.x0, rows.x0, rows.teacher, rows.teacher, rows.sigma, weight)
        assert not gradient.any()


def test_a_real_denoiser_that_gives_back_the_sample_does_not_divide_by_zero(rows):
    x = renoise(rows.x0, rows.noise, rows.sigma)
    assert torch.isfinite(dmd_gradient(rows.x0, x, rows.prediction, rows.target, rows.sigma, "dmd")).all()


def test_an_unknown_weight_is_refused(rows):
    with pytest.raises(ValueError, match=r"'snr': use 'one' or 'dmd'"):
        dmd_loss(rows.x0, rows.x0, rows.prediction, rows.teacher, rows.sigma, weight="snr")
