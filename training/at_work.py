"""One trainer at a time on a run's folder: each of its processes holds a lock of its own there while it lives.

A launcher closes what its processes would inherit, so each takes its lock itself. The kernel frees it, however the
process ends, and no earlier.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from storage.files import locked_now
from storage.full_disk import naming
from storage.processes import becomes

if TYPE_CHECKING:  # those who only look need no torch
    from training.world import World

PATIENCE_S = 60.0  # that a killed trainer needs to save what it has
NAME = ".rank-{:04d}.lock"


class FolderTaken(RuntimeError):
    """Another trainer works on the folder."""


def at_work(folder: Path) -> list[int]:
    """The ranks of the trainers that work on `folder` now."""
    found = []
    for path in folder.glob(NAME.replace("{:04d}", "*")):
        with path.open("a+") as handle:
            if not locked_now(handle, fcntl.LOCK_SH):  # shared: those who look do not see each other
                found.append(int(path.name.split("-")[1].removesuffix(".lock")))
    return sorted(found)


@contextlib.contextmanager
def alone(folder: Path, world: "World", patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Inside, this process belongs to the only trainer on `folder`. Two collectives of `world`.

    The first process waits up to `patience_s` seconds for the end of the processes of another trainer; after that all
    raise FolderTaken. The others take their locks after the first, so two trainers that start at once never wait for
    each other.
    """
    path = folder / NAME.format(world.rank)
    with naming(path):
        folder.mkdir(parents=True, exist_ok=True)
        handle = path.open("a+")
    with handle:
        refused = world.first and not becomes(lambda: locked_now(handle) and at_work(folder) == [0], patience_s)
        _agree(world, refused, folder)
        refused = not world.first and not becomes(lambda: locked_now(handle), patience_s)
        _agree(world, refused, folder)
        yield


def _agree(world: "World", refused: bool, folder: Path) -> None:
    if world.any_(refused):
        raise FolderTaken(
            f"another trainer works on {folder}: its processes hold the .rank-*.lock files there. Wait for its end, or "
            "end it"
        )
