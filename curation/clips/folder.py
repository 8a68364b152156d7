"""The videos of a folder."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from curation.clips.suffixes import is_video_name, may_hold_video


@dataclass(frozen=True)
class Entry:
    """One thing found below a source folder. `reason` is "" for a readable video file."""

    path: str  # relative, with '/' between parts
    size_bytes: int = 0
    modified_ns: int = 0
    changed_ns: int = 0  # when the file system last touched it: nobody can set this time
    reason: str = ""
    detail: str = ""


def list_videos(folder: Path) -> list[Entry]:
    """Every video file below `folder` (by its name, or how it begins), and every subfolder or file that cannot be read,
    and why; sorted by path.

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
    elif is_video_name(path) or item.is_file():
        if item.is_symlink() and root not in path.resolve().parents:
            if is_video_name(path):
                yield Entry(relative, reason="outside_source", detail=f"links to {path.resolve()}")
        elif is_video_name(path) or may_hold_video(path):
            facts = item.stat()
            yield Entry(relative, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


def _relative(path: Path, root: Path) -> str:
    """The path below root as text that UTF-8 can hold: bytes of a name in another encoding become backslash escapes."""
    return path.relative_to(root).as_posix()


def printable(path: str) -> str:
    """`path` with undecodable bytes (surrogates) written as backslash escapes, for tables and pages."""
    return path.encode("utf-8", "backslashreplace").decode()
