"""state.json of a checkpoint, written and read without torch: the step, the hash of the tensors, what is no tensor."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storage.damage import Damaged
from storage.notes import parse_note, sealed
from training.step_folders import STATE, step_folders

FORMAT = 2
# What a run keeps in it (training/loop/checkpoint.py).
OF_A_RUN = {"step": int, "recipe": dict, "dataset_version": str, "model": str, "normalisers": dict, "notes": dict}


class DamagedCheckpoint(ValueError):
    """The checkpoint `folder` cannot be read whole; the message names it, what is wrong and what to do."""

    def __init__(self, folder: Path, why: object):
        known = [other for _, other in step_folders(folder.parent)]
        before = known[: known.index(folder)] if folder in known else known
        remedy = f"continue from the one before, {before[-1]}" if before else "start from the beginning"
        none = "" if before else "There is no earlier one. "
        super().__init__(f"checkpoint {folder} cannot be loaded: {why}. {none}Remove this folder to {remedy}")


def state_bytes(step: int, tensors_sha256: str, state: Mapping[str, Any]) -> bytes:
    """state.json with a hash of itself. `state` is JSON; raises ValueError for NaN in it."""
    document = sealed({"format": FORMAT, "step": step, "tensors_sha256": tensors_sha256, "state": dict(state)})
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_state(folder: Path) -> tuple[dict[str, Any], str]:
    """(state, SHA-256 of the tensors' file) of the checkpoint `folder`; those without a hash of their own count too.

    Raises FileNotFoundError, and DamagedCheckpoint for anything else than what was written.
    """
    file = folder / STATE
    try:
        found = parse_note(file, file.read_bytes(), "")
    except FileNotFoundError:
        raise
    except (OSError, Damaged) as error:
        raise DamagedCheckpoint(folder, error) from error
    if found.get("format") != FORMAT:
        raise DamagedCheckpoint(folder, f"{file} has format {found.get('format')!r}, but this code reads {FORMAT}")
    _hold(folder, found, {"state": dict, "tensors_sha256": str})
    return found["state"], found["tensors_sha256"]


def check_of_a_run(folder: Path, state: Mapping[str, Any]) -> None:
    """Raises DamagedCheckpoint where `state` of the checkpoint `folder` lacks what a run keeps, or has it otherwise."""
    _hold(folder, state, OF_A_RUN)


def _hold(folder: Path, values: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    for name, kind in kinds.items():
        if type(values.get(name)) is not kind:
            seen = type(values[name]).__name__ if name in values else "nothing"
            raise DamagedCheckpoint(folder, f"{folder / STATE} has {seen} as {name!r}, a {kind.__name__} is expected")
