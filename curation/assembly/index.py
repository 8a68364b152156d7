"""The keys of all pairs in memory, and their rows merged from the shards in the order of their ids, a block at a
time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.assembly.near_duplicates import parse_hashes
from storage.tables import KEPT

KEYS = ["frame_id", "task_index", "clip_id", "phash", "agent_category", "task_type", "status"]
READ_AHEAD = 1024  # rows of each shard in memory while merging


@dataclass(frozen=True)
class Index:
    """What decides a pair's fate. Frames and rows are numbered in the order of (frame_id, task_index) over all shards.

    frames: `frame_ids` (string [F]), `hashes` (uint64 [F]), `clip_of` (int32 [F], into `clip_ids`);
    rows: `frame_of` (int32 [n]), `task_index` (int32 [n]), `stratum` (int32 [n], agent category and task type,
    numbered in the order of their names), `shard_of` (int32 [n]).
    """

    frame_ids: pa.Array
    hashes: np.ndarray
    clip_ids: pa.Array
    clip_of: np.ndarray
    frame_of: np.ndarray
    task_index: np.ndarray
    stratum: np.ndarray
    shard_of: np.ndarray

    def __len__(self) -> int:
        return len(self.frame_of)


def read_index(tables: Sequence[Path]) -> Index:
    """The keys of the TAXONOMY tables of all shards.

    Raises ValueError for a table that is not sorted by (frame_id, task_index), that repeats a pair, that holds a
    rejected row, or that shares a frame with another.
    """
    parts = [_read_keys(path) for path in tables]
    names = pa.chunked_array([part["frame_id"] for part in parts], pa.string()).combine_chunks()
    order = pc.sort_indices(names).to_numpy()
    names = names.take(pa.array(order))
    _check_distinct(names, tables, parts)
    counts = _joined(parts, "count", np.int64)
    starts = np.cumsum(counts) - counts
    counts, starts = counts[order], starts[order]
    frame_of = np.repeat(np.arange(len(order), dtype=np.int32), counts)
    row = np.arange(len(frame_of)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(starts, counts)
    clips = pa.chunked_array([part["clip_id"] for part in parts], pa.string()).combine_chunks().dictionary_encode()
    shard_of_frame = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part["count"]) for part in parts])[order]
    return Index(
        frame_ids=names,
        hashes=_joined(parts, "hash", np.uint64)[order],
        clip_ids=clips.dictionary,
        clip_of=clips.indices.to_numpy()[order],
        frame_of=frame_of,
        task_index=_joined(parts, "task_index", np.int32)[row],
        stratum=_strata(parts)[row],
        shard_of=shard_of_frame[frame_of],
    )


def _read_keys(path: Path) -> dict:
    table = pq.read_table(path, columns=KEYS).combine_chunks()
    columns = {name: _one(table[name]) for name in KEYS}
    rejected = pc.not_equal(columns["status"], KEPT)
    if pc.any(rejected).as_py():
        raise ValueError(f"{path.name}: {columns['frame_id'][pc.index(rejected, True).as_py()]} is not kept")
    names, number = columns["frame_id"], columns["task_index"].to_numpy()
    new = np.ones(len(names), bool)
    if len(names) > 1:
        before, after = names[:-1], names[1:]
        new[1:] = pc.not_equal(before, after).to_numpy(zero_copy_only=False)
        rising = pc.less(before, after).to_numpy(zero_copy_only=False) | (~new[1:] & (number[1:] > number[:-1]))
        if not rising.all():
            row = int(np.flatnonzero(~rising)[0]) + 1
            raise ValueError(f"{path.name}: {names[row]} task {number[row]} stands twice or out of order: sort by both")
    first = np.flatnonzero(new)
    frames = names.take(pa.array(first))
    return {
        "frame_id": frames,
        "clip_id": columns["clip_id"].take(pa.array(first)),
        "hash": parse_hashes(columns["phash"].take(pa.array(first)), frames),
        "count": np.diff(np.append(first, len(names))),
        "task_index": number,
        "stratum": pc.binary_join_element_wise(
            columns["agent_category"], columns["task_type"], "\t"
        ).dictionary_encode(),
    }


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _joined(parts: list[dict], name: str, kind) -> np.ndarray:
    return np.concatenate([np.zeros(0, kind), *(part[name] for part in parts)]).astype(kind, copy=False)


def _strata(parts: list[dict]) -> np.ndarray:
    """int32 [rows of all parts]: strata numbered by the order of their names."""
    names = sorted({name for part in parts for name in part["stratum"].dictionary.to_pylist()})
    numbers = {name: number for number, name in enumerate(names)}
    coded = [np.zeros(0, np.int32)]
    for part in parts:
        own = np.array([numbers[name] for name in part["stratum"].dictionary.to_pylist()], np.int32)
        coded.append(own[part["stratum"].indices.to_numpy()])
    return np.concatenate(coded)


def _check_distinct(names: pa.Array, tables: Sequence[Path], parts: list[dict]) -> None:
    same = pc.equal(names[:-1], names[1:]) if len(names) > 1 else pa.array([], pa.bool_())
    if pc.any(same).as_py():
        frame = names[pc.index(same, True).as_py()]
        pairs = zip(tables, parts, strict=True)
        holders = [path.name for path, part in pairs if pc.index(part["frame_id"], frame).as_py() >= 0]
        raise ValueError(f"frame {frame} is in {' and in '.join(holders)}: a clip belongs to one shard")


class _Shard:
    """The rows of one table, taken from its front; the file is open from the first take to the last row."""

    def __init__(self, path: Path, columns: list[str]):
        self._batches = self._read(path, columns)
        self._waiting: list[pa.RecordBatch] = []

    @staticmethod
    def _read(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=READ_AHEAD, columns=columns):
                yield batch.select(columns)

    def take(self, count: int) -> list[pa.RecordBatch]:
        taken = []
        while count:
            batch = self._waiting.pop() if self._waiting else next(self._batches)
            if batch.num_rows > count:
                self._waiting.append(batch.slice(count))
                batch = batch.slice(0, count)
            taken.append(batch)
            count -= batch.num_rows
        return taken


def merged(tables: Sequence[Path], index: Index, columns: list[str], block: int) -> Iterator[tuple[slice, pa.Table]]:
    """(rows, their `columns`) in the index's order, up to `block` rows at a time.

    The shards' tables are sorted like the whole, so each block is the next few rows of every shard, put in order.
    """
    shards = [_Shard(path, columns) for path in tables]
    for start in range(0, len(index), block):
        rows = slice(start, min(start + block, len(index)))
        source = index.shard_of[rows]
        batches = []
        for shard, count in enumerate(np.bincount(source, minlength=len(shards))):
            batches += shards[shard].take(int(count))
        place = np.empty(len(source), np.int64)
        place[np.argsort(source, kind="stable")] = np.arange(len(source))
        yield rows, pa.Table.from_batches(batches).take(pa.array(place))
