"""Fixtures of the losses, and a tiny model from which whole runs are made."""

import pytest
import torch

from tests.fields import differences, gaussian_field, gradient, rows

__all__ = ["differences", "gaussian_field", "gradient", "rows"]


@pytest.fixture
def tiny_parts() -> dict:
    """Random parts of a Wan pipeline, as the microworld's but smaller; fresh for each test."""
    from microworld.model.parts import make_parts
    from models.video.frame_vae import FrameVAE

    parts = make_parts(width=24, depth=2, heads=2, z_dim=4)
    torch.manual_seed(1)
    parts["vae"] = FrameVAE(z_dim=4, width=8, latents_mean=[0.1] * 4, latents_std=[0.8] * 4)
    for name in ("transformer", "vae", "text_encoder"):
        parts[name].eval().requires_grad_(False)
    return parts


@pytest.fixture
def tiny_wan(tiny_parts: dict):
    """The adapter over `tiny_parts`: 8 frames of 32 x 32, prompts of up to 24 tokens."""
    from models.video.protocol import VideoShape
    from models.video.wan.adapter import Wan

    return Wan(tiny_parts, VideoShape(8, 32, 32, 4.0), "wan:0123456789abcdef", torch.device("cpu"), 24)


@pytest.fixture(scope="session")
def tiny_bench(tmp_path_factory):
    """A tiny checkpoint with its conditions, from which whole runs are made (tiny_run.Bench)."""
    from tests.training import tiny_run

    torch.set_num_threads(1)
    return tiny_run.bench(tmp_path_factory.mktemp("bench"))
