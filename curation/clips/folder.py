"""The videos of a folder, and the content digest that names a clip."""

import errno
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VIDEO_SUFFIXES = frozenset([
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts", ".flv", ".wmv", ".3gp",
    ".ogv",
])  # fmt: skip
SAMPLE = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One thing found below a source folder. `reason` is "" for a readable video file."""

    path: str  # relative, with '/' between parts
    size_bytes: int = 0
    modified_ns: int = 0
    reason: str = ""
    detail: str = ""


def list_videos(folder: Path) -> list[Entry]:
    """Every video file below `folder`, sorted by path, and every subfolder or file that cannot be read, and why.

    Links to folders are followed once; a link that leads back to a folder already seen is reported (symlink_loop), and
    one that leaves `folder` too (outside_source). Raises ValueError when `folder` is no readable folder: that is a
    mistake in the configuration, not a bad clip.
    """
    if not folder.is_dir():
        raise ValueError(f"source folder {str(folder)!r} is not a folder: give the folder that holds the videos")
    try:
        os.scandir(folder).close()
    except PermissionError as error:
        raise ValueError(f"source folder {str(folder)!r} cannot be read: {error.strerror}") from error
    root = folder.resolve()
    return sorted(_walk(root, root, {root}), key=lambda entry: entry.path)


def _walk(folder: Path, root: Path, seen: set[Path]) -> Iterator[Entry]:
    try:
        with os.scandir(folder) as listing:
            found = sorted(listing, key=lambda item: item.name)
    except OSError as error:
        yield Entry(_relative(folder, root), reason="unreadable_folder", detail=error.strerror or str(error))
        return
    for item in found:
        path = Path(item.path)
        try:
            yield from _look(item, path, root, seen)
        except OSError as error:
            # A link in a circle of links has no target: ELOOP.
            loop = error.errno == errno.ELOOP
            reason = "symlink_loop" if loop else "unreadable_file"
            yield Entry(_relative(path, root), reason=reason, detail=error.strerror or str(error))


def _look(item: os.DirEntry, path: Path, root: Path, seen: set[Path]) -> Iterator[Entry]:
    relative = _relative(path, root)
    if item.is_dir():
        target = path.resolve()
        if item.is_symlink() and root not in target.parents:
            reason = "symlink_loop" if target == root or target in root.parents else "outside_source"
            yield Entry(relative, reason=reason, detail=f"links to {target}")
        elif target in seen:
            yield Entry(relative, reason="symlink_loop", detail=f"{_relative(target, root)} is already listed")
        else:
            seen.add(target)
            yield from _walk(path, root, seen)
    elif path.suffix.lower() in VIDEO_SUFFIXES:
        if item.is_symlink() and root not in path.resolve().parents:
            yield Entry(relative, reason="outside_source", detail=f"links to {path.resolve()}")
        else:
            facts = item.stat()
            yield Entry(relative, facts.st_size, facts.st_mtime_ns)


def _relative(path: Path, root: Path) -> str:
    """The path below root as text that UTF-8 can hold: bytes of a name in another encoding become backslash escapes."""
    return path.relative_to(root).as_posix()


def printable(path: str) -> str:
    """`path` with undecodable bytes (surrogates) written as backslash escapes, for tables and pages."""
    return path.encode("utf-8", "backslashreplace").decode()


def content_digest(path: Path) -> str:
    """SHA-256 over the size and the first, middle and last MiB: a clip's identity, whatever its name or place.

    Files of up to 3 MiB are read whole. Reading no more than that keeps listing 10^5 videos affordable; two different
    encodings of a video differ everywhere.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as handle:
        if size <= 3 * SAMPLE:
            digest.update(handle.read())
        else:
            for offset in (0, (size - SAMPLE) // 2, size - SAMPLE):
                handle.seek(offset)
                digest.update(handle.read(SAMPLE))
    return digest.hexdigest()
