"""What the tests of DreamGen share: options, frames of no video, the sizes of the release."""

import json
from pathlib import Path

import numpy as np

from evaluation.benchmarks.dreamgen.options import DreamgenJudgeOptions

FULL = {"gr1_object": 50, "gr1_behavior": 47, "gr1_env": 29}
FULL_GROUPS = ("object", "behavior", "environment")


def frames_of(path: Path, expected: int) -> np.ndarray:
    return np.full((expected, 20, 40, 3), len(path.read_bytes()), np.uint8)


def options(**values) -> DreamgenJudgeOptions:
    return DreamgenJudgeOptions(frames=3, retries=0, **values)


def config(path: Path, **values) -> str:
    path.write_text(json.dumps(values))
    return str(path)
