"""A tiny model of the real classes and encoded episodes of smooth noise, made once for all tests of rollouts."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from robots.episode import Episode
from robots.statistics import Statistics
from robots.timing import Timing
from robots.write_encoded import Encoding, Recording, write_encoded

ROWS = {"a": 17, "b": 14, "c": 13, "short": 8}
HISTORY, FRAMES = 3, 3


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    from models.robot.build_robot_model import build_robot_model
    from models.robot.checkpoint import options_for
    from tests.models.robot.tiny import tiny_checkpoint

    folder = tiny_checkpoint(tmp_path_factory.mktemp("tiny"), history=HISTORY, frames=FRAMES)
    torch.set_num_threads(1)
    return build_robot_model(options_for(folder, dtype="float32", device="cpu", decode_chunk=2))
