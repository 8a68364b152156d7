"""Training runs small enough for tests: options, a checkpoint, conditions and a judge that reads pixels."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from microworld.model.parts import make_parts, save
from models.video.build_video_model import build_video_model
from models.video.frame_vae import FrameVAE
from models.vlm.protocol import LogOdds, Usage, VLMUnavailable
from training.conditions.encoding import write_conditions
from training.conditions.store import ConditionStore, Pair
from training.loop.log import RunLog
from training.loop.parts import parts_of
from training.loop.trainer import Trainer
from training.options import TrainOptions
from training.rewards.judge import Judge
from training.world import World

VERSION = "v1"
SHADES = {f"image {n}": np.random.default_rng(n).integers(0, 256, (32, 32, 3), np.uint8) for n in range(6)}
OPTIONS = {
    "dataset_version": VERSION,
    "lora": {"rank": 2, "alpha": 4.0},
    "rollout": {"tasks": 2, "group": 3, "steps": 4, "batch": 6},
    "distill": {"timesteps": 2},
    "objective": {"kind": "awm", "timesteps": 2},
    "rewards": {"judge": {"vlm": {"workers": 0}, "retry_wait_s": 0.0, "questions": ["task", "consistency"]}},
    "optimizer": {"lr": 1e-3},
    "memory": {"batch": 12},
    "run": {"steps": 2, "checkpoint_every": 1, "grid_every": 0},
    "held_out": {"tasks": 2, "steps": 2},
}


def step_of(path) -> int:
    """The optimizer steps done at a checkpoint, from its folder's name."""
    return int(path.name.removeprefix("step-"))


def pair(number: int) -> Pair:
    task = f"[Disc]: go to the {'ring' if number % 2 else 'square'} {number % 4 + 1}."
    solution = f"the red disc glides right {number % 4 + 1} cells until it rests on the ring"
    return Pair(f"p{number}", f"image {number}", task, solution, "movement", "object", "Disc")


SPLITS = {"train": [pair(n) for n in range(4)], "heldout": [pair(n) for n in (4, 5)]}


def video(number: int) -> tuple[str, str, np.ndarray]:
    """A disc-like patch that moves by a cell a frame, over a shade of its own."""
    frames = np.full((8, 32, 32, 3), 40 * number, np.uint8)
    for frame in range(8):
        frames[frame, 8:16, 3 * frame : 3 * frame + 8] = (220, 60, 20)
    return f"clip {number}", pair(number).task, frames


def write_checkpoint(folder: Path) -> Path:
    parts = make_parts(width=24, depth=1, heads=2, z_dim=4)
    torch.manual_seed(1)
    parts["vae"] = FrameVAE(z_dim=4, width=8, latents_mean=[0.1] * 4, latents_std=[0.8] * 4)
    save(parts, folder)
    return folder


def merged(base: Mapping, changes: Mapping) -> dict:
    """`base` with `changes`; blocks are merged, but one whose kind changes is replaced."""
    out = dict(base)
    for key, value in changes.items():
        old = out.get(key)
        alike = (
            isinstance(value, Mapping)
            and isinstance(old, Mapping)
            and value.get("kind", old.get("kind")) == old.get("kind")
        )
        out[key] = merged(old, value) if alike else value
    return out


class Brightness:
    """A VLM stand-in. task: how red the last frame is; consistency: how little its green differs from the first's.

    The first `failures` requests about a video fail, and those that `fails` names by (question, task, video). Tasks
    with the word `blind` are all judged alike.
    """

    model_id = "brightness"

    def __init__(self, failures: int = 0, fails=lambda key: False, blind: str | None = None):
        self.failures, self.fails, self.blind = failures, fails, blind
        self.asked: dict[tuple[str, str, str], int] = {}
        self.requests = 0

    async def log_odds(self, question, media) -> LogOdds:
        key = (question.name, question.fields.get("task", ""), media[0].sha256)
        self.asked[key] = self.asked.get(key, 0) + 1
        self.requests += 1
        if self.asked[key] <= self.failures or self.fails(key):
            raise VLMUnavailable("http_500", "the server is down")
        first, last = (cv2.imdecode(np.frombuffer(media[0].frames[i], np.uint8), cv2.IMREAD_COLOR) for i in (0, -1))
        value = redness(last) if question.name == "judge_task" else steadiness(first, last)
        value = 0.0 if self.blind is not None and self.blind in key[1] else value
        return LogOdds(value, value, 0.0, True, Usage())

    async def complete(self, *_, **__):
        raise NotImplementedError

    async def aclose(self) -> None:
        pass


def judge_of(config: Path, _=None) -> Brightness:
    """The judge of a run by its config's name, in place of models.vlm.build_vlm.build_vlm."""
    return Brightness(blind="ring" if config.name.startswith("idle") else None)


def redness(bgr: np.ndarray) -> float:
    return (float(bgr[..., 2].mean()) - float(bgr[..., 0].mean())) / 8


def steadiness(first: np.ndarray, last: np.ndarray) -> float:
    return 1 - abs(float(first[..., 1].mean()) - float(last[..., 1].mean())) / 16


@dataclass(frozen=True)
class Bench:
    """A checkpoint and conditions of it, from which runs are made."""

    root: Path
    model: dict[str, Any]
    conditions: Path

    def options(self, output: Path, changes: Mapping = {}, **more) -> dict:
        fixed = {"model": self.model, "conditions": str(self.conditions), "output": str(output)}
        return merged(merged(OPTIONS | fixed, changes), more)

    def config(self, output: Path, changes: Mapping = {}, **more) -> Path:
        """The options in a file beside `output`, for training.train."""
        path = output.with_name(output.name + ".json")
        path.write_text(json.dumps(self.options(output, changes, **more)))
        return path

    def trainer(self, output: Path, changes: Mapping = {}, vlm=None, world: World = World(), **more) -> Trainer:
        """A trainer on a model of its own. Its judge is closed with the interpreter (a daemon thread)."""
        options = TrainOptions.model_validate(self.options(output, changes, **more))
        model = build_video_model(options.model, encoders=False)
        store = ConditionStore(options.conditions, identity=model.identity, dataset_version=VERSION)
        judge = Judge(options.rewards.judge, vlm=vlm or Brightness())
        log = RunLog(output, options.run.steps, stream=open("/dev/null", "w"))  # noqa: SIM115
        return Trainer(options, model, store, parts_of(options, model, store, judge), log, world)


def bench(root: Path) -> Bench:
    size = {"frames": 8, "height": 32, "width": 32, "fps": 4.0}
    path = write_checkpoint(root / "checkpoint")
    block = {"kind": "wan", "path": str(path), **size, "dtype": "float32", "device": "cpu", "max_prompt_tokens": 24}
    made = Bench(root, block, root / "conditions")
    options = TrainOptions.model_validate(made.options(root / "none"))
    videos = [video(n) for n in range(4)]
    model = build_video_model(options.model)
    write_conditions(model, SPLITS, SHADES.__getitem__, made.conditions, dataset_version=VERSION, videos=videos)
    return made


def adapter(trainer: Trainer, name: str = "executor") -> dict[str, Tensor]:
    return {key: p.detach().clone() for key, p in trainer.policies.named(name).items()}


def base_weights(trainer: Trainer) -> dict[str, Tensor]:
    """The frozen weights, under the names they had before the adapters came."""
    parameters = trainer.model.transformer.named_parameters()
    return {key.replace(".base_layer", ""): p.detach().clone() for key, p in parameters if "lora_" not in key}


def same(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def metrics_of(output: Path) -> list[dict]:
    """What each step logged, without its times."""
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if not key.startswith("seconds")} for line in lines]
