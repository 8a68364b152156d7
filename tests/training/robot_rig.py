"""A robot's training small enough for tests: a tiny model of the real classes, and encoded episodes of smooth noise."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models.robot.build_robot_model import build_robot_model
from models.robot.checkpoint import options_for
from robots.episode import Episode, Footage
from robots.statistics import Statistics
from robots.write_encoded import Encoding, Recording, write_encoded
from tests.models.robot.tiny import tiny_checkpoint
from training.conditions.episodes import Episodes
from training.loop.log import RunLog
from training.loop.robot_parts import robot_parts_of
from training.loop.trainer import Trainer
from training.options.robots import RobotTrainOptions
from training.world import World

HISTORY, FRAMES = 3, 3
ROWS = {"a": 17, "b": 14, "c": 13, "d": 9}  # of two more rows a chunk
OPTIONS = {
    "lora": {"rank": 2, "alpha": 2.0, "whole": ["action_encoder"]},
    "rollout": {"tasks": 2, "group": 4, "steps": 2, "batch": 4, "prefix": {"most": 2}},
    "rewards": {"best": 1, "worst": 1},
    "optimizer": {"lr": 1e-3, "score_ema": 0.5},
    "memory": {"batch": 4},
    "run": {"steps": 2, "checkpoint_every": 1, "grid_every": 0},
    "held_out": {"episodes": 2, "chunks": 2, "every": 1, "steps": 2, "batch": 2},
}


def make(folder: Path) -> dict:
    """Writes checkpoint and episodes below `folder`; the options of a run on them."""
    checkpoint = tiny_checkpoint(folder / "model", views=2, height=8, width=8, history=HISTORY, frames=FRAMES)
    options = options_for(checkpoint, dtype="float32", device="cpu", decode_chunk=FRAMES, sigma_max=20.0)
    model, rng, recordings = build_robot_model(options), np.random.default_rng(0), []
    shape = model.shape
    for split in ("train", "val"):
        for name, rows in ROWS.items():
            name = f"{split}-{name}"
            frames = rng.integers(0, 256, (rows, 2, shape.height, shape.width, 3), dtype=np.uint8)
            np.savez(folder / f"{name}.npz", frames=frames)
            footage = {view: Footage(folder / f"{name}.npz", view=place) for place, view in enumerate(shape.views)}
            episode = Episode(name, split, 5.0, rng.normal(size=(rows, 7)), footage, text=f"text of {name}")
            recordings.append(Recording(episode, content=name))
    encoding = Encoding(model.latents_identity, "microworld", shape.views, shape.height, shape.width)
    statistics = Statistics(np.full(7, -2.5), np.full(7, 2.5), 52, "microworld")

    def encode(pixels: np.ndarray) -> np.ndarray:
        return model.encode_views(torch.from_numpy(pixels)).numpy()

    write_encoded(folder / "episodes", recordings, encode, encoding, statistics)
    return {"model": options.model_dump(mode="json"), "episodes": str(folder / "episodes")}


def merged(base: dict, changes: dict) -> dict:
    found = dict(base)
    for name, value in changes.items():
        found[name] = merged(found.get(name, {}), value) if isinstance(value, dict) else value
    return found


@dataclass
class Rig:
    made: dict

    def options(self, output: Path, **changes) -> RobotTrainOptions:
        return RobotTrainOptions.model_validate(merged(OPTIONS | self.made | {"output": str(output)}, changes))

    def trainer(self, output: Path, world: World = World(), **changes) -> Trainer:
        options = self.options(output, **changes)
        model = build_robot_model(options.model)
        episodes = Episodes(options, model)
        log = RunLog(output, options.run.steps, world.rank)
        return Trainer(options, model, episodes, robot_parts_of(options, model, episodes), log, world)
