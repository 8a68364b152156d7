"""Folders that appear whole: built beside their place, then renamed into it."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from storage.files import fsync_folder, locked_now
from storage.full_disk import naming

BUILDING, REPLACED = ".building", ".replaced"


@contextlib.contextmanager
def building(place: Path) -> Iterator[Path]:
    """Yields an empty folder beside `place`; on success it is put there, as `half_built` and `put_in_place` say."""
    with half_built(place) as folder:
        yield folder
        put_in_place(folder, place)


@contextlib.contextmanager
def half_built(place: Path) -> Iterator[Path]:
    """Yields an empty folder beside `place`, which is removed in the end unless it was put in place.

    What killed writers left beside it is swept first; a folder that a live process is building is left alone. A full
    disk is told as CannotWrite for `place`, also what the block raises for it.
    """
    with naming(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        sweep(place.parent)
        folder, descriptor = _locked_folder(place)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)


def put_in_place(folder: Path, place: Path) -> None:
    """Fsyncs everything in `folder` and renames it to `place`.

    An older folder at `place` steps aside for the rename, and a process killed in that instant leaves it aside:
    `restore`, or the next `building`, brings it back.
    """
    _fsync_tree(folder)
    folder.chmod(0o755)
    aside = place.with_name(f".{place.name}{REPLACED}")
    if place.exists():
        place.rename(aside)
    folder.rename(place)
    fsync_folder(place.parent)
    shutil.rmtree(aside, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Removes the half-built folders of dead processes in `parent`, and restores every folder that stepped aside."""
    for folder in sorted(parent.glob(f".*{BUILDING}")):
        descriptor = _lock(folder)
        if descriptor is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)
    for aside in sorted(parent.glob(f".*{REPLACED}")):
        restore(parent / aside.name[1 : -len(REPLACED)])


def restore(place: Path) -> None:
    """Brings back the folder of `place` that a killed replacement left aside, or removes it where `place` is there."""
    aside = place.with_name(f".{place.name}{REPLACED}")
    if not aside.exists():
        return
    if place.exists():
        shutil.rmtree(aside, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):  # another process has just done it
            aside.rename(place)


def _locked_folder(place: Path) -> tuple[Path, int]:
    """A new folder and the lock on it, which the kernel frees when this process dies."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=BUILDING, dir=place.parent))
        descriptor = _lock(folder)
        # Between the two lines another process's sweep may have taken the folder for a dead one's.
        if descriptor is not None and folder.exists():
            return folder, descriptor
        if descriptor is not None:
            os.close(descriptor)


def _lock(folder: Path) -> int | None:
    """An open descriptor that holds the exclusive lock on `folder`; None when another holds it or it is gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    if locked_now(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _fsync_tree(folder: Path) -> None:
    for root, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(root, name), "rb") as handle:
                os.fsync(handle.fileno())
        fsync_folder(Path(root))
