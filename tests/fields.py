"""Random rows for the losses, a field known in closed form, and finite differences, all in float64."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """N rows of states [N, 2, 3, 4]: data, noise, levels, advantages of both signs, and velocities of three models."""

    x0: Tensor
    noise: Tensor
    sigma: Tensor
    advantage: Tensor
    prediction: Tensor
    other: Tensor
    teacher: Tensor
    mask: Tensor

    @property
    def target(self) -> Tensor:
        return self.noise - self.x0


@pytest.fixture
def rows() -> Rows:
    generator = torch.Generator().manual_seed(5)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    shape = (6, 2, 3, 4)
    return Rows(
        x0=normal(*shape),
        noise=normal(*shape),
        sigma=torch.linspace(0.15, 0.95, 6, dtype=torch.float64),
        advantage=torch.tensor([1.0, -1.0, 0.4, -0.2, 0.0, 0.7], dtype=torch.float64),
        prediction=normal(*shape),
        other=normal(*shape),
        teacher=normal(*shape),
        mask=torch.tensor([0.0, 1.0, 1.0]).reshape(1, 3, 1),  # the first frame is held
    )


@dataclass(frozen=True)
class GaussianField:
    """The exact velocity for data N(mean, std^2) in each dimension: E[noise - data | x_sigma]."""

    mean: float
    std: float

    def variance(self, sigma: Tensor | float) -> Tensor | float:
        return (1 - sigma) ** 2 * self.std**2 + sigma**2

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        s = sigma.to(x).reshape(-1, *[1] * (x.ndim - 1)) if sigma.ndim else sigma.to(x)
        slope = (s - (1 - s) * self.std**2) / self.variance(s)
        return -self.mean + slope * (x - (1 - s) * self.mean)


@pytest.fixture
def gaussian_field() -> type[GaussianField]:
    return GaussianField


@pytest.fixture
def gradient() -> Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]:
    """d sum(f(x)) / dx by autograd."""

    def of(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        x = x.detach().clone().requires_grad_()
        return torch.autograd.grad(f(x).sum(), x)[0]

    return of


@pytest.fixture
def differences() -> Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]:
    """d sum(f(x)) / dx by central differences, for small x in float64."""

    def of(f: Callable[[Tensor], Tensor], x: Tensor, h: float = 1e-6) -> Tensor:
        out = torch.zeros_like(x)
        for i in range(x.numel()):
            step = torch.zeros_like(x)
            step.view(-1)[i] = h
            out.view(-1)[i] = ((f(x + step).sum() - f(x - step).sum()) / (2 * h)).item()
        return out

    return of
