"""A tiny model of the real classes and a small release, made once a test run."""

import json
from pathlib import Path

import pytest

from tests.training.conditions import release_fixtures as make

QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory) -> Path:
    """A diffusers folder of a Wan pipeline with random weights, of 8 frames of 32 x 32."""
    import torch

    from microworld.model.parts import make_parts, save
    from models.video.frame_vae import FrameVAE

    folder = tmp_path_factory.mktemp("model") / "checkpoint"
    parts = make_parts(width=24, depth=1, heads=2, z_dim=4)
    torch.manual_seed(1)
    parts["vae"] = FrameVAE(z_dim=4, width=8, latents_mean=[0.0] * 4, latents_std=[1.0] * 4)
    save(parts, folder)
    return folder


@pytest.fixture
def release_store(tmp_path):
    """A collection that holds nothing but a release."""
    store = make.store_at(tmp_path)
    make.write_release(store)
    return store


@pytest.fixture(scope="session")
def tiny_model(tiny_checkpoint) -> dict:
    """The block `model` of a recipe."""
    size = {"frames": 8, "height": 32, "width": 32, "fps": 4.0}
    return {"kind": "wan", "path": str(tiny_checkpoint), **size, "dtype": "float32", "device": "cpu"}


@pytest.fixture
def conditions_recipe(tiny_model):
    def of(store, **options) -> dict:
        """A run config of `training_data` and `conditions`."""
        block = {"model": tiny_model, "held_out": {"source": "microworld", "tasks": 4}} | options
        return {
            "resources": {"collection": {"config": {"root": str(store.root), "name": store.name}}},
            "ops": {"conditions": {"config": json.loads(json.dumps(block))}},
            "loggers": QUIET,
        }

    return of
