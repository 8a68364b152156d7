"""Whether the files of a source changed: told from their names, sizes and times, without reading them."""

import os
from collections.abc import Iterator
from pathlib import Path

from robots.layouts.source_folder import open_folder
from robots.options import RobotSource
from storage.files import sha256_bytes


def listing_hash(source: RobotSource) -> str:
    """A hash of the names, sizes and times of all files below a source's folder; of a Hub data set its commit.

    Raises NoSource.
    """
    folder = open_folder(source.path, source.revision)
    return folder.root.name if folder.hub_id else folder_hash(folder.root)


def folder_hash(folder: Path) -> str:
    """A hash of the names, sizes and times of all files below `folder`."""
    return sha256_bytes(repr(sorted(_files(os.fspath(folder)))).encode("utf-8", "surrogateescape"))


def _files(folder: str) -> Iterator[tuple[str, int, int]]:
    for place, _, names in os.walk(folder, followlinks=True):
        for name in names:
            path = os.path.join(place, name)
            try:
                status = os.stat(path)
            except OSError:  # a link to nothing, or a file that has just gone
                yield os.path.relpath(path, folder), -1, 0
            else:
                yield os.path.relpath(path, folder), status.st_size, status.st_mtime_ns
