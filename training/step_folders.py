"""Folders of a run that are named by the optimizer steps done: step-00000100 and so on, there whole or not at all."""

import re
import shutil
from pathlib import Path

from storage.folders import sweep

CHECKPOINTS, STATE = "checkpoints", "state.json"  # in a run's folder, and in each of its checkpoints
NAME = re.compile(r"step-(\d{8,})", re.ASCII)


def step_folder(parent: Path, step: int) -> Path:
    return parent / f"step-{step:08d}"


def step_folders(parent: Path) -> list[tuple[int, Path]]:
    """(step, folder) of those in `parent`, lowest step first; half-written ones are not among them."""
    if not parent.is_dir():
        return []
    return sorted((int(match[1]), path) for path in parent.iterdir() if (match := NAME.fullmatch(path.name)))


def clear(parent: Path, after: int = -1) -> None:
    """Removes those of steps above `after` (-1: all), and what killed writers left."""
    if parent.is_dir():
        sweep(parent)
    for step, path in step_folders(parent):
        if step > after:
            shutil.rmtree(path)
