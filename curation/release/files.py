"""The release's content files: Parquet with pixels, the authors' own layout, and the ids-only release.

Only images of sources that allow redistribution are in `data/`, `train/` and `bench/`. `ids/` has every pair, with
what it takes to find its frame again: clip id, the source video's id, seconds, and hashes to check the picture by.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.assembly.statistics import SPLITS, whole_frames
from curation.release.images import ImageParquet, Picture, by_frame, image_schema, read_picture
from curation.release.options import PublishOptions
from storage.links import link_or_copy
from storage.tables import KEPT, ROW_GROUP

ROWS = 4096  # read at once
FRAME = ["frame_id", "clip_id", "seconds", "width", "height", "image_sha256", "external_id", "external_start_s"]
PAIR = ["agent", "task", "solution", "agent_category", "task_type"]
COLUMNS = [*FRAME, "sample_id", "image", "phash", *PAIR, "redistributable", "split", "status"]
IDS = [
    *("clip_id", "external_id", "external_start_s", "seconds", "source_seconds", "frame_id"),
    *(*PAIR, "image_sha256", "phash", "redistributable"),
]

encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def write_release(worldtasks: Path, images_root: Path, tree: Path, options: PublishOptions, sums: TextIO) -> None:
    """Writes the content files below `tree` from the kept rows of a WORLDTASKS table.

    The checksums of the image files go to `sums`, in the order of their frames. One batch of rows and one row group of
    images are in memory. Raises what `read_picture` raises.
    """
    with ExitStack() as stack:
        writers = {split: _SplitWriter(tree, split, options, stack) for split in SPLITS}
        for table in whole_frames(worldtasks, COLUMNS, ROWS):
            kept = table.filter(pc.equal(table["status"], KEPT))
            for split, writer in writers.items():
                writer.add_ids(kept.filter(pc.equal(kept["split"], split)))
            shown = kept.filter(kept["redistributable"]).to_pylist()
            for rows in by_frame(shown):
                picture = read_picture(images_root, rows[0])
                path = writers[rows[0]["split"]].add_image(picture, rows)
                if path:
                    sums.write(f"{picture.sha256}  {path}\n")
        for writer in writers.values():
            writer.close()
    _remove_empty(tree)


class _SplitWriter:
    """One split's files in all three forms."""

    def __init__(self, tree: Path, split: str, options: PublishOptions, stack: ExitStack):
        self._tree, self._split, self._options = tree, split, options
        self._images = 0
        self._folders: set[Path] = set()
        self._parquet = ImageParquet(tree / "data", split, image_schema(), options.shard_mb * 10**6)
        for folder in (tree / "ids", tree / split):
            folder.mkdir(exist_ok=True)
        self._ids = stack.enter_context((tree / "ids" / f"{split}.jsonl").open("w", encoding="utf-8", newline="\n"))
        self._lines = stack.enter_context((tree / split / f"{split}.jsonl").open("w", encoding="utf-8", newline="\n"))
        self._ids_parquet = stack.enter_context(
            pq.ParquetWriter(tree / "ids" / f"{split}.parquet", ids_schema(), compression="zstd")
        )
        self._waiting: list[pa.Table] = []

    def add_ids(self, kept: pa.Table) -> None:
        if not kept.num_rows:
            return
        columns = {"id": kept["sample_id"]} | {name: kept[name] for name in IDS if name != "source_seconds"}
        columns["source_seconds"] = pc.round(pc.add(kept["external_start_s"], kept["seconds"]), 3)
        table = pa.table(columns).select(ids_schema().names).cast(ids_schema())
        self._ids.writelines(json_lines(table.to_pylist()))
        self._waiting.append(table)
        if sum(part.num_rows for part in self._waiting) >= ROW_GROUP:
            self._flush_ids()

    def _flush_ids(self) -> None:
        if self._waiting:
            self._ids_parquet.write_table(pa.concat_tables(self._waiting).combine_chunks())
            self._waiting = []

    def add_image(self, picture: Picture, rows: list[dict]) -> str:
        """Writes one image with its pairs; returns the path of its file, "" without one."""
        self._images += 1
        frame = {name: rows[0][name] for name in FRAME}
        pairs = [{"id": row["sample_id"]} | {name: row[name] for name in PAIR} for row in rows]
        self._parquet.add(picture, frame | {"pairs": pairs})
        if not self._options.image_files:
            return ""
        relative = self._folder() / picture.name
        path = self._tree / self._split / relative
        if path.parent not in self._folders:
            path.parent.mkdir(parents=True)
            self._folders.add(path.parent)
        link_or_copy(picture.path, path)
        names = ("id", "task", "solution") if self._split == "train" else ("id", "task")
        own = {"image": relative.as_posix()}
        self._lines.writelines(json_lines({name: pair[name] for name in names} | own for pair in pairs))
        return path.relative_to(self._tree).as_posix()

    def _folder(self) -> Path:
        shard = (self._images - 1) // self._options.images_per_folder
        # The authors' benchmark has its 200 images in one folder.
        return Path("images") if self._split == "bench" and not shard else Path("images", f"shard_{shard:03d}")

    def close(self) -> None:
        self._parquet.close()
        self._flush_ids()


def ids_schema() -> pa.Schema:
    """Arrow schema of the ids-only release, without pixels."""
    from datasets import Features, Value

    kinds = dict.fromkeys(("external_start_s", "seconds", "source_seconds"), "float64") | {"redistributable": "bool"}
    return Features({name: Value(kinds.get(name, "string")) for name in ("id", *IDS)}).arrow_schema


def json_lines(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield encode(row) + "\n"


def _remove_empty(tree: Path) -> None:
    """A split without rows has no files, and a release without pixels no folders for them."""
    for split in SPLITS:
        lines = tree / split / f"{split}.jsonl"
        if not lines.stat().st_size:
            lines.unlink()
            lines.parent.rmdir()
        if not (tree / "ids" / f"{split}.jsonl").stat().st_size:
            (tree / "ids" / f"{split}.jsonl").unlink()
            (tree / "ids" / f"{split}.parquet").unlink()
