"""Atomic replacement, confined paths, content hashes and locks."""

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, BinaryIO

from storage.full_disk import naming


class PathOutsideRoot(ValueError):
    """A relative path that would leave its root."""


def confined(root: Path, relative: str | os.PathLike) -> Path:
    """The absolute path of `relative` below `root`, symlinks resolved; raises PathOutsideRoot if it leaves `root`."""
    base = Path(root).resolve()
    path = (base / relative).resolve()
    if path != base and base not in path.parents:
        raise PathOutsideRoot(f"{os.fspath(relative)!r} leaves {base}: give a path below it")
    return path


def fsync_folder(folder: Path) -> None:
    """Makes a rename in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on success it is fsynced and renamed over `path`, on failure removed.

    Readers see the old file or the new one, never a part: a full disk or a kill leaves the old one in place. A full
    disk is told as CannotWrite, also what the block raises for it.
    """
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, descriptor = _locked_file(path)
        try:
            yield temporary
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
            fsync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
            os.close(descriptor)


def _locked_file(path: Path) -> tuple[Path, int]:
    """A new temporary file beside `path` and the lock on it, which the kernel frees when this process dies."""
    while True:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return Path(name), descriptor
        os.close(descriptor)  # between the first two lines another process's sweep took it for a dead one's


def sweep(folder: Path, name: str = "*") -> None:
    """Removes what killed `replacing` calls left of files called `name` (a glob) in `folder` and below it.

    A file that a live process is writing is left alone.
    """
    for left in folder.rglob(f".{name}.*.tmp"):
        with contextlib.suppress(FileNotFoundError), left.open("r+b") as handle:
            if locked_now(handle):
                left.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data` to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def at_end(path: Path) -> BinaryIO:
    """`path` open at its end, made with its folder where it is not there. Raises CannotWrite for a full disk."""
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab")


def append_line(path: Path, line: str) -> None:
    """Adds a line to `path`, which is made with its folder where it is not there. Raises CannotWrite for a full disk.

    What a full disk or a kill cuts off has no line break at its end: readers leave it out.
    """
    with naming(path), at_end(path) as handle:
        handle.write(f"{line}\n".encode())


def sha256_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """The SHA-256 of a whole file, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def locked_now(file: IO | int, kind: int = fcntl.LOCK_EX) -> bool:
    """Whether the open `file` (or its descriptor) has the lock now; nobody is waited for. `kind` is flock(2)'s."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def exclusive(path: Path, waits: Callable[[], None] | None = None) -> Iterator[None]:
    """Holds an exclusive lock on the file `path`, waiting for its holder; the kernel frees it when a process dies.

    `waits` is called once where there is a holder to wait for.
    """
    with at_end(path) as handle:
        if not locked_now(handle):
            if waits is not None:
                waits()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
