"""The release's pixels: image files read and checked, and written as Parquet with the Hub's Image feature."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curation.frame_files import read_frame
from storage.files import confined

# The viewer reads whole row groups: few rows and few bytes keep a page of it quick.
GROUP_ROWS, GROUP_BYTES = 100, 32 * 2**20
SAFE_NAME = re.compile(r"(?!h-)[A-Za-z0-9][A-Za-z0-9._-]{0,150}")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Picture:
    """One published image: its file among the frames, its checked bytes, and its name in the release."""

    path: Path
    data: bytes
    sha256: str
    name: str


def file_name(frame_id: str, image: str) -> str:
    """The image's file name in the release: the frame's id where that is a plain file name, else a hash of it."""
    suffix = PurePosixPath(image).suffix.lower()
    stem = frame_id if SAFE_NAME.fullmatch(frame_id) else "h-" + hashlib.sha256(frame_id.encode()).hexdigest()[:32]
    return stem + (suffix if suffix in IMAGE_SUFFIXES else ".jpg")


def read_picture(images_root: Path, row: Mapping[str, Any]) -> Picture:
    """The image of a WORLDTASKS row. Raises what `read_frame` raises."""
    data = read_frame(images_root, row)
    path = confined(images_root, row["image"])
    return Picture(path, data, row["image_sha256"], file_name(row["frame_id"], row["image"]))


def image_schema() -> pa.Schema:
    """Arrow schema of both splits, with the Hub's feature metadata.

    A row an image with the list of its pairs: a row a pair would repeat the pixels eight times, in the user's cache
    too. The benchmark has one pair an image, and the same columns, so that one call loads both splits.
    """
    from datasets import Features, Image, List, Value

    text, number = Value("string"), Value("float64")
    pair = {name: text for name in ("id", "agent", "task", "solution", "agent_category", "task_type")}
    frame = {"frame_id": text, "clip_id": text, "seconds": number, "width": Value("int32"), "height": Value("int32")}
    frame |= {"image_sha256": text, "external_id": text, "external_start_s": number}
    return Features({"image": Image()} | frame | {"pairs": List(pair)}).arrow_schema


class ImageParquet:
    """Writes `data/{split}-00000-of-0000N.parquet`: files of up to `shard_bytes`, small row groups, one image in memory
    a row. The number of files is known at the end, when `close` gives them their names."""

    def __init__(self, folder: Path, split: str, schema: pa.Schema, shard_bytes: int):
        self._folder, self._split, self._schema, self._limit = folder, split, schema, shard_bytes
        self._rows: list[dict] = []
        self._row_bytes = self._shard_bytes = self._shards = 0
        self._writer: pq.ParquetWriter | None = None

    def add(self, picture: Picture, row: dict[str, Any]) -> None:
        """`row` has the columns of the schema but for `image`."""
        texts = (value for pair in row["pairs"] for value in pair.values() if isinstance(value, str))
        size = len(picture.data) + sum(map(len, texts))
        if self._rows and (len(self._rows) == GROUP_ROWS or self._row_bytes + size > GROUP_BYTES):
            self._flush()
        if self._shard_bytes and self._shard_bytes + size > self._limit:
            self._flush()
            self._end_shard()
        self._rows.append({"image": {"bytes": picture.data, "path": picture.name}} | row)
        self._row_bytes += size
        self._shard_bytes += size

    def _part(self, number: int) -> Path:
        return self._folder / f"{self._split}-{number:05d}.part"

    def _flush(self) -> None:
        if not self._rows:
            return
        if self._writer is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            # Chunks cut by content let the Hub's storage keep what a new version shares with the last one.
            self._writer = pq.ParquetWriter(
                self._part(self._shards),
                self._schema,
                compression="zstd",
                use_dictionary=False,
                write_page_index=True,
                use_content_defined_chunking=True,
            )
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows, self._row_bytes = [], 0

    def _end_shard(self) -> None:
        self._writer.close()
        self._writer, self._shard_bytes = None, 0
        self._shards += 1

    def close(self) -> list[Path]:
        """Names the files; none when no row came."""
        self._flush()
        if self._writer is not None:
            self._end_shard()
        paths = []
        for number in range(self._shards):
            name = f"{self._split}-{number:05d}-of-{self._shards:05d}.parquet"
            paths.append(self._part(number).rename(self._folder / name))
        return paths


def by_frame(rows: list[dict]) -> Iterator[list[dict]]:
    """Lists of the consecutive rows of one frame and split."""
    group: list[dict] = []
    for row in rows:
        if group and (row["frame_id"], row["split"]) != (group[0]["frame_id"], group[0]["split"]):
            yield group
            group = []
        group.append(row)
    if group:
        yield group
