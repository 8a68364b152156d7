"""A real trainer over conditions in memory and a judge that answers at once: for tests and benchmarks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models.video.protocol import Condition, VideoModel
from models.vlm.questions import NAMES
from training.conditions.store import Pair
from training.loop.parts import parts_of
from training.loop.trainer import Trainer
from training.options import TrainOptions
from training.rewards.judgements import Judgements
from training.world import World


class Conditions:
    """Random first frames, and prompts of two lengths, encoded by the model; it stands in for a ConditionStore."""

    dataset_version = "test"

    def __init__(self, model: VideoModel, pairs: int = 6, videos: int = 8):
        generator = torch.Generator().manual_seed(3)
        size = (max(pairs, videos), model.shape.height, model.shape.width, 3)
        self._images = model.encode_image(torch.randint(0, 256, size, generator=generator, dtype=torch.uint8))
        self._tasks = model.encode_prompt([f"[red disc]: move to the {n}" for n in range(pairs)])
        self._solutions = model.encode_prompt([f"the red disc glides {n} cells to the right" for n in range(pairs)])
        self._pairs = [Pair(f"p{n}", f"i{n}", f"[red disc]: move to the {n}", "-", "-", "-", "-") for n in range(pairs)]
        self._videos = videos
        self._states = torch.randn(videos, *model.state_shape, generator=generator)

    def pairs(self, split: str) -> list[Pair]:
        return self._pairs

    def executor(self, pairs: Sequence[Pair]) -> Condition:
        at = [self._pairs.index(pair) for pair in pairs]
        return self._images.take(at) | self._tasks.take(at)

    def demonstrator(self, pairs: Sequence[Pair]) -> Condition:
        at = [self._pairs.index(pair) for pair in pairs]
        return self._images.take(at) | self._solutions.take(at)

    def videos(self) -> list[tuple[str, str]]:
        return [(str(n), "a task") for n in range(self._videos)]

    def video_states(self, ids: Sequence[str]) -> torch.Tensor:
        return self._states[[int(one) for one in ids]]

    def video_conditions(self, ids: Sequence[str]) -> Condition:
        at = [int(one) for one in ids]
        return self._images.take(at) | self._tasks.take([one % len(self._pairs) for one in at])


class InstantJudge:
    """Log-odds from the number of the call, the same in every run; `videos` counts what it was shown."""

    def __init__(self):
        self.asked = self.videos = 0

    def submit(self, videos, tasks: Sequence[str], fps: float) -> "Answered":
        self.asked += 1
        self.videos += len(tasks)
        return Answered(self.asked, len(tasks))


@dataclass(frozen=True)
class Answered:
    """Judgements that are there already."""

    seed: int
    count: int

    def wait(self, seconds: float) -> bool:
        return True

    def result(self) -> Judgements:
        values = np.random.default_rng(self.seed).standard_normal((len(NAMES), self.count))
        return Judgements(dict(zip(NAMES, values, strict=True)), len(NAMES) * self.count, "")


class Silent:
    """A log that says nothing."""

    def __getattr__(self, name: str):
        return lambda *_, **__: None


def options(output: Path | str = "-", **given) -> TrainOptions:
    """Small options; `given` replaces whole blocks."""
    model = {"kind": "wan", "path": "-", "frames": 8, "height": 32, "width": 32, "fps": 4.0, "dtype": "float32"}
    small = {
        "model": model,
        "conditions": "-",
        "output": str(output),
        "lora": {"rank": 4, "alpha": 8.0},
        "rollout": {"tasks": 2, "group": 3, "steps": 4, "batch": 4},
        "distill": {"timesteps": 2},
        "objective": {"kind": "awm", "timesteps": 2},
        "memory": {"batch": 5},
        "run": {"steps": 4, "checkpoint_every": 100},
    }
    return TrainOptions.model_validate(small | given)


def trainer(model: VideoModel, chosen: TrainOptions, store: Conditions | None = None) -> Trainer:
    """A trainer over `model`, whose transformer gets the run's adapters."""
    store = store or Conditions(model)
    return Trainer(chosen, model, store, parts_of(chosen, model, store, InstantJudge()), Silent(), World())
