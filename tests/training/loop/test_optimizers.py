"""Which optimizer steps which tensor, and that its steps are torch's own."""

import pytest
import torch
from torch import nn

from tests.training import rig
from training.loop.optimise import optimizers


def parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(2)
    return [nn.Parameter(torch.randn(*shape, generator=generator)) for shape in ((4, 6), (6,), (3, 4), (2, 3, 4))]


def options(**given):
    return rig.options(optimizer={"lr": 1e-2, "weight_decay": 0.1, **given})


def test_muon_takes_matrices_and_adamw_the_rest():
    of = parameters()
    assert list(optimizers(options(), of)) == ["adamw"]
    found = optimizers(options(kind="muon"), of)
    held = {kind: [id(p) for group in one.param_groups for p in group["params"]] for kind, one in found.items()}
    assert held == {"adamw": [id(of[1]), id(of[3])], "muon": [id(of[0]), id(of[2])]}
    assert list(optimizers(options(kind="muon"), [of[0]])) == ["muon"], "nothing is left for AdamW"


def test_a_step_of_muon_is_orthogonal_and_as_large_as_one_of_adamw():
    """Zeroth power by Newton-Schulz: all singular values near 1, times .2 sqrt(larger side) of the rate."""
    (matrix, *_), rate = parameters(), 1e-2
    (muon,) = optimizers(options(kind="muon", weight_decay=0.0), [matrix]).values()
    before = matrix.detach().clone()
    matrix.grad = torch.randn(4, 6, generator=torch.Generator().manual_seed(5))
    muon.step()
    moved = (before - matrix.detach()) / (rate * 0.2 * 6**0.5)
    values = torch.linalg.svdvals(moved)
    assert values.min() > 0.6 and values.max() < 1.3
    assert float(moved.square().mean().sqrt()) * 0.2 * 6**0.5 == pytest.approx(0.2, rel=0.25)


def test_weight_decay_and_momentum_reach_both():
    found = optimizers(options(kind="muon", momentum=0.8, betas=[0.5, 0.6]), parameters())
    assert found["muon"].defaults["momentum"] == 0.8 and found["muon"].defaults["weight_decay"] == 0.1
    assert tuple(found["adamw"].defaults["betas"]) == (0.5, 0.6)
