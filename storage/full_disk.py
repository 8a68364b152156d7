"""A disk that takes no more, told alike by everything that writes: which file, how much is free, what to do."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

REMEDY = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "raise the quota, or remove files",
    errno.EROFS: "make it writable, or choose another folder",
    errno.EFBIG: "allow larger files (`ulimit -f`, or another file system)",
}
LEAST = 64 * 2**10  # bytes: a disk with less than that is full for whoever just failed to write
SAID = re.compile(r"\b(?:os error|errno) (\d+)\b")  # in the words of libraries whose errors have no number


class CannotWrite(OSError):
    """`filename` cannot be written, because the disk takes no more; `errno` is the system's. A full disk spoils
    nothing: who writes leaves what was there before, so the message says to start again."""

    def __str__(self) -> str:
        return f"{self.filename} cannot be written: {self.strerror}"


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Inside, a full disk, a spent quota, a read-only file system and a limit of file sizes end in CannotWrite, which
    names `path`. One that names a file already, and every other error, stays as it is."""
    try:
        yield
    except CannotWrite:
        raise
    except Exception as error:
        number = _number_of(error)
        if number not in REMEDY:
            raise
        raise refused(number, path) from error


def refused(number: int, path: Path) -> CannotWrite:
    """The error for `path`, whose writing ended with this number of the system, one of REMEDY."""
    free = f" ({free_space(path)} without it)" if number == errno.ENOSPC else ""
    told = f"{os.strerror(number)}{free}. To go on, {REMEDY[number]}, then start again: what is finished is kept"
    return CannotWrite(number, told, str(path))


def told_of_a_full_disk(said: str, path: Path) -> str:
    """What a program printed last, and that the disk of `path` is full where it is: it could print no more there."""
    if not is_full(path) or os.strerror(errno.ENOSPC) in said:
        return said
    return f"{said}; {refused(errno.ENOSPC, path)}"


def is_full(path: Path) -> bool:
    """Whether the disk that `path` is on, or would be, has no space or no room for further files."""
    found = os.statvfs(_there(path))
    return found.f_bavail * found.f_frsize < LEAST or bool(found.f_files and not found.f_favail)


def is_read_only(path: Path) -> bool:
    return bool(os.statvfs(_there(path)).f_flag & os.ST_RDONLY)


def free_space(path: Path) -> str:
    """How much is free on the disk of `path`, for a person."""
    found = os.statvfs(_there(path))
    free, whole = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    files = ", and no file more" if found.f_files and not found.f_favail else ""
    return f"{_size(free)} of {_size(whole)} free{files}"


def _number_of(error: Exception) -> int | None:
    """The system's number of an error; None where it is not the system's."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    said = SAID.search(str(error))
    return int(said[1]) if said else None


def _there(path: Path) -> Path:
    """`path`, or the nearest folder above it that exists."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def _size(count: int) -> str:
    power = min(4, max(0, count.bit_length() - 1) // 10)
    return f"{count / 1024**power:.{1 if power else 0}f} {('bytes', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"
