"""Tiny robot world models, made and read once a run."""

import pytest
import torch

from models.robot.build_robot_model import build_robot_model
from models.robot.checkpoint import options_for
from models.robot.ctrl_world import CtrlWorld
from models.video.protocol import Condition
from tests.models.robot.tiny import tiny_checkpoint


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A tiny checkpoint of three views, which no test changes."""
    return tiny_checkpoint(tmp_path_factory.mktemp("robot") / "base")


@pytest.fixture(scope="session")
def model(folder) -> CtrlWorld:
    return build_robot_model(options_for(folder, dtype="float32", device="cpu"))


@pytest.fixture(scope="session")
def contexts():
    """(model, chunks, seed) -> a Condition of random history, current frame and actions."""
    return random_contexts


def random_contexts(model: CtrlWorld, chunks: int, seed: int = 0) -> Condition:
    shape, generator = model.shape, torch.Generator().manual_seed(seed)
    views = (len(shape.views), *model.view_shape)
    history = torch.randn(chunks, shape.history, *views, generator=generator)
    actions = torch.rand(chunks, shape.history + shape.frames, shape.actions, generator=generator) * 2 - 1
    return model.context(history, torch.randn(chunks, *views, generator=generator), actions)
