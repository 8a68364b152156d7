"""Counts of an assembled table, read from its rows alone: for the card, the manifest and the UI."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.tables import KEPT

COLUMNS = [
    *("frame_id", "clip_id", "external_id", "agent_category", "task_type"),
    *("redistributable", "split", "status", "reason"),
]
SPLITS = ("train", "bench")


def whole_frames(worldtasks: Path, columns: list[str], batch: int) -> Iterator[pa.Table]:
    """The rows of a WORLDTASKS table, about `batch` at a time, never cut inside a frame. `columns` include frame_id."""
    held = None
    with pq.ParquetFile(worldtasks) as file:
        for part in file.iter_batches(batch_size=batch, columns=columns):
            table = pa.Table.from_batches([part]).select(columns)
            table = table if held is None else pa.concat_tables([held, table])
            last = pc.index(table["frame_id"], table["frame_id"][-1]).as_py()
            held = table.slice(last)
            if last:
                yield table.slice(0, last).combine_chunks()
    if held is not None:
        yield held.combine_chunks()


def statistics(worldtasks: Path) -> dict[str, Any]:
    """Pairs, images and clips of a WORLDTASKS table, with JSON values only.

    rows, kept, reasons {reason: pairs}, reason_images {reason: images that lost a pair for it}, clips_in_both,
    sources_in_both, clips_without_source (that name no source video), and for each split under `splits`: pairs,
    images, clips, publishable_pairs and publishable_images (whose pixels may be redistributed), agent_categories and
    task_types {name: pairs}. One pass, one batch in memory.
    """
    rows, reasons, reason_images = 0, Counter(), Counter()
    splits = {name: _Split() for name in SPLITS}
    for table in whole_frames(worldtasks, COLUMNS, 50_000):
        rows += table.num_rows
        lost = table.filter(pc.not_equal(table["status"], KEPT))
        reasons.update(_counts(lost["reason"]))
        reason_images.update(_counts(lost.group_by(["frame_id", "reason"]).aggregate([])["reason"]))
        kept = table.filter(pc.equal(table["status"], KEPT))
        for name, split in splits.items():
            split.add(kept.filter(pc.equal(kept["split"], name)))
    return {
        "rows": rows,
        "kept": rows - sum(reasons.values()),
        "reasons": dict(sorted(reasons.items())),
        "reason_images": dict(sorted(reason_images.items())),
        "splits": {name: split.facts() for name, split in splits.items()},
        "clips_in_both": len(splits["train"].clips & splits["bench"].clips),
        "sources_in_both": len(splits["train"].sources & splits["bench"].sources),
        "clips_without_source": len(splits["train"].sourceless | splits["bench"].sourceless),
    }


class _Split:
    def __init__(self):
        self.counts: Counter[str] = Counter()
        self.agents: Counter[str] = Counter()
        self.tasks: Counter[str] = Counter()
        self.clips: set[str] = set()
        self.sources: set[str] = set()
        self.sourceless: set[str] = set()

    def add(self, rows: pa.Table) -> None:
        images = rows.group_by(["frame_id", "redistributable"]).aggregate([])
        for unit, table in (("pairs", rows), ("images", images)):
            self.counts[unit] += table.num_rows
            self.counts[f"publishable_{unit}"] += pc.sum(table["redistributable"], min_count=0).as_py()
        self.agents.update(_counts(rows["agent_category"]))
        self.tasks.update(_counts(rows["task_type"]))
        clips = rows.group_by(["clip_id", "external_id"]).aggregate([])
        for clip, source in zip(clips["clip_id"].to_pylist(), clips["external_id"].to_pylist(), strict=True):
            self.clips.add(clip)
            if source:
                self.sources.add(source)
            else:
                self.sourceless.add(clip)

    def facts(self) -> dict[str, Any]:
        names = ("pairs", "images", "publishable_pairs", "publishable_images")
        return {name: int(self.counts[name]) for name in names} | {
            "clips": len(self.clips),
            "agent_categories": dict(sorted(self.agents.items())),
            "task_types": dict(sorted(self.tasks.items())),
        }


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(column).to_pylist()}
