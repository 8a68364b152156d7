"""A frame's picture as a later stage reads it: the bytes that its row names, or an error that says what to do."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from storage.damage import Damaged
from storage.files import confined, sha256_bytes

AGAIN = "run again, and `frames` will make it again"


class DamagedImage(Damaged):
    """The picture's file `path` is not the one that its row describes, or it is not there."""


def read_frame(folder: Path, row: Mapping[str, Any]) -> bytes:
    """The bytes of a frame's picture, `image` of its row below the collection's folder.

    Raises DamagedImage where they are not those of `image_sha256`, or where there is no file: an answer about them
    would be one about another picture. Raises PathOutsideRoot.
    """
    path = confined(folder, row["image"])
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DamagedImage(path, f"the picture of {row['frame_id']} is not there", AGAIN) from None
    check_frame(path, row["frame_id"], sha256_bytes(data), row["image_sha256"])
    return data


def check_frame(path: Path, frame: str, digest: str, expected: str) -> None:
    """Raises DamagedImage where the file `path` has the SHA-256 `digest`, and the row of `frame` names another."""
    if digest != expected:
        raise DamagedImage(path, f"the row of {frame} was written with SHA-256 {expected}, and now it is {digest}")


@contextlib.contextmanager
def changed_pictures_removed() -> Iterator[None]:
    """Deletes a picture that was found changed, and says so in the error: else `frames` would take it for finished."""
    try:
        yield
    except DamagedImage as error:
        if not error.path.exists():
            raise
        error.path.unlink()
        raise DamagedImage(error.path, error.why, f"It was removed: {AGAIN}") from error
