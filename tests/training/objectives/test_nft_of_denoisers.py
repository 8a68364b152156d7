"""PersistWorld's loss: NFT in x0 space, for a model that denoises, by its closed forms."""

from itertools import pairwise

import pytest
import torch

from models.video.edm import karras_sigmas
from models.video.sampling import ode
from training.objectives.matching import denoising_loss
from training.objectives.nft import nft_loss, nft_loss_clean

K, SHAPE = 16, (3, 2, 4, 4)


def drawn(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def along(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None, None, None]


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_the_gradient_is_the_closed_form(beta):
    """dL/dx = 2 beta [beta (x - o) + (2 r - 1) (o - x0)] / n, of Eq. 2 to the letter; ours is divided by beta."""
    x, old, x0 = (drawn(K, *SHAPE, seed=n) for n in range(3))
    x.requires_grad_(True)
    advantage = torch.linspace(-1, 1, K, dtype=torch.float64)
    loss = nft_loss_clean(x, old, x0, advantage, nft_beta=beta, adaptive=False).loss
    loss.sum().backward()
    said = along(advantage)  # 2 r - 1
    expected = 2 * beta * (beta * (x.detach() - old) + said * (old - x0)) / x[0].numel() / beta
    torch.testing.assert_close(x.grad, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_the_best_prediction_is_the_closed_form(beta):
    """argmin over one x for K candidates: o + mean[(2 r - 1) (x0 - o)] / beta. There the gradient is 0."""
    old, x0 = drawn(1, *SHAPE, seed=1), drawn(K, *SHAPE, seed=2)
    advantage = drawn(K, seed=3).clamp(-1, 1)
    best = old + (along(advantage) * (x0 - old)).mean(0, keepdim=True) / beta
    best.requires_grad_(True)
    every = best.expand(K, -1, -1, -1, -1)
    nft_loss_clean(every, old.expand_as(every), x0, advantage, nft_beta=beta, adaptive=False).loss.sum().backward()
    assert best.grad.abs().max() < 1e-14


@pytest.mark.parametrize("adaptive", [True, False])
def test_velocities_give_the_same_loss_as_denoised_frames(adaptive):
    sigma = torch.logspace(-2, 2, K, dtype=torch.float64)
    x0, noise, clean, old = (drawn(K, *SHAPE, seed=n) for n in range(4))
    x = x0 + along(sigma) * noise
    advantage = torch.linspace(-1, 1, K, dtype=torch.float64)
    ours, theirs = ((x - one) / along(sigma) for one in (clean, old))
    by_velocity = nft_loss(ours, theirs, x, x0, sigma, advantage, adaptive=adaptive).loss
    by_frames = nft_loss_clean(clean, old, x0, advantage, adaptive=adaptive).loss
    torch.testing.assert_close(by_velocity, by_frames, rtol=1e-10, atol=1e-10)


def test_an_average_reward_pulls_to_the_old_policy_and_not_to_the_candidate():
    x, old, x0 = (drawn(1, *SHAPE, seed=n) for n in range(3))
    x.requires_grad_(True)
    nft_loss_clean(x, old, x0, torch.zeros(1, dtype=torch.float64), adaptive=False).loss.sum().backward()
    torch.testing.assert_close(x.grad, 2 * (x.detach() - old) / x.numel(), rtol=1e-12, atol=1e-14)


def test_the_first_step_moves_although_the_policy_is_the_old_one():
    x0, old = drawn(2, *SHAPE, seed=1), drawn(2, *SHAPE, seed=2)
    x = old.clone().requires_grad_(True)
    loss = nft_loss_clean(x, old, x0, torch.tensor([1.0, -1.0], dtype=torch.float64)).loss
    loss.sum().backward()
    assert all(x.grad[i].abs().max() > 1e-3 for i in range(2))


def test_another_old_policy_gives_another_loss():
    x, old, x0 = (drawn(2, *SHAPE, seed=n) for n in range(3))
    advantage = torch.tensor([0.5, -0.5], dtype=torch.float64)
    assert not torch.allclose(
        nft_loss_clean(x, old, x0, advantage).loss, nft_loss_clean(x, x.detach(), x0, advantage).loss
    )


def test_the_sampler_is_the_euler_steps_of_karras():
    """x + (next - now) (x - D) / now, with a denoiser that is known: D = x / (1 + sigma^2), of unit normal data."""
    sigmas = karras_sigmas(8, 0.02, 20).double()
    start = 20 * drawn(2, *SHAPE, seed=1)
    made = ode(lambda x, sigma: (x - x / (1 + along(sigma).square())) / along(sigma), start, sigmas).clean
    x = start
    for now, then in pairwise(sigmas):
        x = x + (then - now) * (x - x / (1 + now**2)) / now
    torch.testing.assert_close(made, x, rtol=1e-14, atol=1e-14)


def test_the_denoising_loss_is_the_weighted_error_of_denoised_frames():
    sigma = torch.logspace(-1, 1, 4, dtype=torch.float64)
    x0, noise, clean = (drawn(4, *SHAPE, seed=n) for n in range(3))
    x = x0 + along(sigma) * noise
    found = denoising_loss((x - clean) / along(sigma), x, x0, sigma)
    error = (clean - x0).square().flatten(1).mean(1)
    torch.testing.assert_close(found, (sigma**2 + 1) / sigma**2 * error, rtol=1e-10, atol=1e-12)
