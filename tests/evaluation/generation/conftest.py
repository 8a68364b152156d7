"""A tiny checkpoint, a benchmark of made-up pictures in the authors' layout, and runs on both."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from evaluation.generation.options import GenerateOptions

TASKS = ("[Red disc]: Move to the blue frame.", "[Green cross]: Turn red.", "[Purple square]: Swap places.")
SIZE = {"frames": 8, "height": 32, "width": 32, "fps": 4.0}


@dataclass
class Bench:
    """`bench.options(tmp_path / "run")` is a run of the tiny model on three samples; `bench.folder` their benchmark."""

    folder: Path
    model: dict[str, Any]

    def block(self, output: Path, **changes) -> dict[str, Any]:
        fixed = {
            "output": str(output),
            "benchmark": {"kind": "authors", "path": str(self.folder)},
            "model": self.model,
            "sampler": {"steps": 2},
            "batch": 2,
        }
        return fixed | changes

    def options(self, output: Path, **changes) -> GenerateOptions:
        return GenerateOptions.model_validate(self.block(output, **changes))

    def lines(self) -> list[dict]:
        text = (self.folder / "bench" / "bench.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def write(self, rows: Sequence[dict]) -> None:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (self.folder / "bench" / "bench.jsonl").write_text(text, encoding="utf-8")


def png(seed: int, side: int = 32) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


def write_authors(folder: Path, tasks: Sequence[str] = TASKS) -> Path:
    """bench/bench.jsonl and bench/images. Every second sample has a solution of its own, others have T as theirs."""
    (folder / "bench" / "images").mkdir(parents=True)
    rows = []
    for number, task in enumerate(tasks):
        (folder / "bench" / "images" / f"{number}_1.png").write_bytes(png(number))
        solution = task if number % 2 else f"The red disc glides {number + 1} cells to the right."
        rows.append({"id": f"{number}_1", "task": task, "image": f"images/{number}_1.png", "solution": solution})
    Bench(folder, {}).write(rows)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> dict[str, Any]:
    """The block `model` of a run: real classes, random weights."""
    import torch

    from tests.training.tiny_run import write_checkpoint

    torch.set_num_threads(1)
    path = write_checkpoint(tmp_path_factory.mktemp("generation") / "checkpoint")
    return {"kind": "wan", "path": str(path), **SIZE, "dtype": "float32", "device": "cpu", "max_prompt_tokens": 24}


@pytest.fixture
def bench(tmp_path, tiny_model) -> Bench:
    return Bench(write_authors(tmp_path / "benchmark"), tiny_model)


@pytest.fixture
def quiet() -> Callable[[str], None]:
    return lambda line: None


@pytest.fixture
def unloadable(monkeypatch):
    """No model can be loaded any more."""
    import models.video.build_video_model

    def refuse(*_):
        raise AssertionError("a model was loaded")

    return lambda: monkeypatch.setattr(models.video.build_video_model, "build_video_model", refuse)
