"""A published release as training reads it: its pairs, and the pixels of its frames."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from storage.files import confined, sha256_bytes
from storage.foreign_tables import row_group, table
from storage.json_files import parse_json
from storage.tables import KEPT, read_rows
from training.conditions.store import Pair

# The names in a line of what Pair has, in its order.
PAIR = ("id", "frame_id", "task", "solution", "task_type", "agent_category", "agent")
FACTS = {"frame_id": "text", "height": "whole number", "width": "whole number"}
PICTURE = {"image": "picture with bytes"}


class NoPixels(ValueError):
    """A frame of the release whose picture is neither in the release nor among the collection's own frames."""


def read_pairs(tree: Path, split: str) -> Iterator[Pair]:
    """The pairs of a split in the release's order, from its ids (they hold every pair, with or without pixels).

    Raises FileNotFoundError where the release has no such split.
    """
    for where, row in _rows(tree, split):
        yield Pair(*(_text(row, name, where) for name in PAIR))


def clips_of(tree: Path, split: str) -> set[str]:
    """The ids of the clips that a split's frames are of. Raises FileNotFoundError as `read_pairs`."""
    return {_text(row, "clip_id", where) for where, row in _rows(tree, split)}


def _rows(tree: Path, split: str) -> Iterator[tuple[str, Any]]:
    """(where it stands, the value) of each line."""
    path = tree / "ids" / f"{split}.jsonl"
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            where = f"{path}, line {number}"
            yield where, parse_json(line, where)


def _text(row: Any, name: str, where: str) -> str:
    """The text `name` of a line. Raises ValueError that says where it is missing or something else."""
    if not isinstance(row, dict):
        raise ValueError(f"{where} is a {type(row).__name__}: it must be a JSON object")
    if not isinstance(row.get(name), str):
        told = f"is {row[name]!r:.80}" if name in row else "is missing"
        raise ValueError(f"{where}, {name} {told}: it must be a text")
    return row[name]


class ReleaseImages:
    """`images[frame_id]`: uint8 [H, W, 3] RGB. From the release's Parquet files; where it holds no pixels (sources that
    may not be redistributed), from the frames of the collection at `folder`."""

    def __init__(self, tree: Path, folder: Path):
        self._folder = folder
        self._at: dict[str, tuple[Path, int, int]] = {}  # frame -> file, row group, row
        self._sizes: dict[str, tuple[int, int]] = {}  # (height, width)
        self._group: tuple[tuple[Path, int], list[dict]] = ((Path(), -1), [])
        for path in sorted((tree / "data").glob("*.parquet")):
            with table(path, FACTS) as file:
                for group in range(file.num_row_groups):
                    rows = file.read_row_group(group, columns=list(FACTS)).to_pylist()
                    self._at |= {found["frame_id"]: (path, group, row) for row, found in enumerate(rows)}
                    self._sizes |= {found["frame_id"]: (found["height"], found["width"]) for found in rows}
        self._local: dict[str, dict] | None = None  # rows of the collection's own frames

    def __call__(self, frame_id: str) -> np.ndarray:
        """Raises NoPixels, or ValueError for bytes that are no picture."""
        from microworld.vision import decode  # one JPEG decoder for all: RGB, whole pictures only

        return decode(self._stored(frame_id) if frame_id in self._at else self._own(frame_id))

    def size(self, frame_id: str) -> tuple[int, int]:
        """(height, width) of a frame's picture, as the tables have it. Raises NoPixels for a frame in none of them."""
        if frame_id not in self._sizes:
            row = self._own_row(frame_id)
            known = row["height"] and row["width"]
            self._sizes[frame_id] = (row["height"], row["width"]) if known else self(frame_id).shape[:2]
        return self._sizes[frame_id]

    def _stored(self, frame_id: str) -> bytes:
        path, group, row = self._at[frame_id]
        if self._group[0] != (path, group):
            self._group = ((path, group), row_group(path, group, PICTURE))
        images = self._group[1]
        image = images[row]["image"] if row < len(images) else None  # a damaged column may be shorter than the others
        if not image or image["bytes"] is None:
            raise NoPixels(f"{path} has no picture of frame {frame_id!r}: fetch or publish the release again")
        return image["bytes"]

    def _own(self, frame_id: str) -> bytes:
        row = self._own_row(frame_id)
        data = confined(self._folder, row["image"]).read_bytes()
        if sha256_bytes(data) != row["image_sha256"]:
            raise NoPixels(f"{row['image']} is damaged: remove it and materialise `frames` again")
        return data

    def _own_row(self, frame_id: str) -> dict:
        """What the collection's table says of a frame that the release holds no pixels of."""
        if self._local is None:
            own = self._folder / "tables" / "worldtasks.parquet"
            columns = ["frame_id", "image", "image_sha256", "height", "width", "status"]
            rows = read_rows(own, columns) if own.exists() else iter(())
            self._local = {row["frame_id"]: row for row in rows if row["status"] == KEPT}
        if frame_id not in self._local:
            raise NoPixels(f"frame {frame_id!r} is neither in the release's data/ nor in {self._folder}: build it")
        return self._local[frame_id]
