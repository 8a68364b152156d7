"""A tiny model of the real classes and encoded episodes of smooth noise, made once for all tests of rollouts."""

import numpy as np
import pytest
import torch

from robots.episode import Episode, Footage
from robots.statistics import Statistics
from robots.timing import Timing
from robots.write_encoded import Encoding, Recording, write_encoded

ROWS = {"a": 17, "b": 14, "c": 13, "short": 8}
HISTORY, FRAMES = 3, 3


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    from tests.models.robot.tiny import tiny_checkpoint

    return tiny_checkpoint(tmp_path_factory.mktemp("tiny"), history=HISTORY, frames=FRAMES)


@pytest.fixture(scope="session")
def tiny_model(tiny_folder):
    from models.robot.build_robot_model import build_robot_model
    from models.robot.checkpoint import options_for

    return build_robot_model(options_for(tiny_folder, dtype="float32", device="cpu", decode_chunk=2))


@pytest.fixture(scope="session")
def store(tmp_path_factory, tiny_model):
    """Episodes of ROWS rows, poses of 7 random numbers, encoded by the tiny model."""
    from robots.encoded import EpisodeStore

    folder, shape = tmp_path_factory.mktemp("episodes"), tiny_model.shape
    rng = np.random.default_rng(0)
    recordings = []
    for name, rows in ROWS.items():
        frames = rng.integers(0, 256, (rows, 3, shape.height, shape.width, 3), dtype=np.uint8)
        np.savez(folder / f"{name}.npz", frames=frames)
        footage = {view: Footage(folder / f"{name}.npz", view=place) for place, view in enumerate(shape.views)}
        episode = Episode(name, "val", 5.0, rng.normal(size=(rows, 7)), footage, text=f"text of {name}")
        recordings.append(Recording(episode, content=name))
    encoding = Encoding(tiny_model.latents_identity, "microworld", shape.views, shape.height, shape.width)
    statistics = Statistics(np.full(7, -2.5), np.full(7, 2.5), 52, "microworld")

    def encode(pixels: np.ndarray) -> np.ndarray:
        return tiny_model.encode_views(torch.from_numpy(pixels)).numpy()

    write_encoded(folder / "encoded", recordings, encode, encoding, statistics)
    return EpisodeStore(folder / "encoded")


@pytest.fixture(scope="session")
def timing():
    return Timing(history=HISTORY, frames=FRAMES)
