"""Disks that take no more: a real one of some kilobytes where this user may mount one, and the kernel's own limits."""

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(place: Path, size: str = "256k") -> Iterator[Path]:
    """A file system of its own at `place`, of `size`. Skips the test where it cannot be mounted."""
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True)
    if made.returncode:
        pytest.skip("this user may not mount a disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """Takes all space of the disk but `leave` bytes; the file that does."""
    path = disk / "of others"
    with path.open("wb", buffering=0) as handle, contextlib.suppress(OSError):
        while True:
            handle.write(bytes(4096))
    os.truncate(path, max(0, path.stat().st_size - leave))
    return path


@contextlib.contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Inside, the kernel refuses bytes beyond `size` of any file, with an OSError as of a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
