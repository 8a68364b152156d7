"""Is the benchmark apart from train? Read from the finished table, with nothing of the work of those who split it.

What must not be: one group (groups.py), or the same bytes, on both sides. What somebody should look at: pictures that
are alike, as near-duplicates or as altered copies (copies.py). Every image of one split is compared with every image of
the other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.assembly.copies import WAYS, find_copies
from curation.assembly.groups import WORDS, group_names
from curation.assembly.picture_hashes import PictureHashes
from curation.assembly.statistics import SPLITS
from storage.tables import KEPT, read_meta

MOST_LISTED = 1000
COLUMNS = ["frame_id", "clip_id", "external_id", "image", "image_sha256", "phash"]


def leaks(worldtasks: Path, clips_tables: Sequence[Path]) -> list[str]:
    """Sentences for each group, and each train image's bytes, that the benchmark has too; empty when there is none.

    The group is the one that the table's footer names (`group_by`); folders are read from the clips tables. At most
    MOST_LISTED are listed.
    """
    train, bench = (_images(worldtasks, split) for split in SPLITS)
    return (_shared_groups(worldtasks, clips_tables, train, bench) + _shared_bytes(train, bench))[:MOST_LISTED]


def _shared_groups(worldtasks: Path, clips_tables: Sequence[Path], train: pa.Table, bench: pa.Table) -> list[str]:
    by = read_meta(worldtasks).get("options", {}).get("group_by", "source")
    groups = []
    for images in (train, bench):
        names = group_names(images["clip_id"], images["external_id"], _paths(clips_tables, images["clip_id"], by), by)
        groups.append(dict(zip(names.to_pylist(), images["frame_id"].to_pylist(), strict=True)))
    shared = sorted(groups[0].keys() & groups[1].keys())
    told = []
    for name in shared:
        kind, _, group = name.partition(" ")
        told.append(
            f"{WORDS[kind]} {group or '.'} is in both splits, e.g. train image {groups[0][name]} "
            f"and bench image {groups[1][name]}"
        )
    return told


def _paths(clips_tables: Sequence[Path], clip_ids: pa.Array, by: str) -> pa.Array:
    """The files of clips, as far as folders are asked for."""
    if by != "folder":
        return pa.nulls(len(clip_ids), pa.string())
    columns = ["clip_id", "path"]
    parts = [pq.read_table(path, columns=columns, filters=[("status", "=", KEPT)]) for path in clips_tables]
    clips = pa.concat_tables(parts).combine_chunks()
    return clips["path"].combine_chunks().take(pc.index_in(clip_ids, clips["clip_id"].combine_chunks()))


def _shared_bytes(train: pa.Table, bench: pa.Table) -> list[str]:
    place = pc.index_in(train["image_sha256"], bench["image_sha256"])
    found = train.append_column("other", bench["frame_id"].take(place)).filter(pc.is_valid(place))
    return [
        f"train image {one} has the bytes of bench image {other}"
        for one, other in sorted(zip(found["frame_id"].to_pylist(), found["other"].to_pylist(), strict=True))
    ]


@dataclass(frozen=True, order=True)
class Alike:
    """A train image that is like a benchmark image: by how many of 64 bits they differ, and in which way."""

    bits: int
    train: str
    bench: str
    way: str
    train_image: str
    bench_image: str

    def __str__(self) -> str:
        return f"train image {self.train} is {self.bits} bits from bench image {self.bench} ({self.way})"


def alike(worldtasks: Path, hashes: PictureHashes) -> list[Alike]:
    """Train images that are near-duplicates or altered copies of benchmark images, the nearest first.

    Within the distances of the table's footer; at most MOST_LISTED are listed. Altered copies are found among the
    pictures that `hashes` has kept.
    """
    options = read_meta(worldtasks).get("options", {})
    train, bench = (_images(worldtasks, split) for split in SPLITS)
    found: dict[tuple[int, int], tuple[int, str]] = {}  # (train, bench) rows -> (bits, way)
    distance = options.get("near_duplicate_distance", 4)
    bench_bits, train_bits = _bits(bench["phash"]), _bits(train["phash"])
    for row, bits in enumerate(bench_bits):
        apart = np.bitwise_count(train_bits ^ bits)
        for other in np.flatnonzero(apart <= distance).tolist():
            found[other, row] = int(apart[other]), "near-duplicate"
    distance = options.get("copy_distance")
    if distance is not None:
        digests = pa.concat_arrays([train["image_sha256"], bench["image_sha256"]]).to_pylist()
        values, known = hashes.kept_of(digests)

        def note(one: int, others: np.ndarray, bits: np.ndarray, ways: np.ndarray) -> None:
            for other, apart, way in zip(others.tolist(), bits.tolist(), ways.tolist(), strict=True):
                if other < len(train):
                    found.setdefault((other, one - len(train)), (apart, WAYS[way]))

        find_copies(values, known, np.arange(len(train), len(digests)), distance, note)
    names = [(table["frame_id"].to_pylist(), table["image"].to_pylist()) for table in (train, bench)]
    (ones, pictures), (others, shown) = names
    listed = (
        Alike(bits, ones[row], others[other], way, pictures[row], shown[other])
        for (row, other), (bits, way) in found.items()
    )
    return sorted(listed)[:MOST_LISTED]


def _images(worldtasks: Path, split: str) -> pa.RecordBatch:
    """The kept images of a split, each once, as one batch of COLUMNS."""
    parts = [part for part in _kept(worldtasks, split) if part.num_rows]
    table = pa.concat_tables(parts) if parts else pa.table({name: pa.array([], pa.string()) for name in COLUMNS})
    first = table.append_column("row", pa.array(np.arange(table.num_rows)))
    first = first.group_by("frame_id", use_threads=False).aggregate([("row", "min")])["row_min"]
    return (
        table.take(first).combine_chunks().to_batches()[0]
        if len(first)
        else pa.RecordBatch.from_pylist([], table.schema)
    )


def _kept(worldtasks: Path, split: str) -> Iterator[pa.Table]:
    """Rows of a split by batch: the first of each frame and batch."""
    with pq.ParquetFile(worldtasks) as file:
        for batch in file.iter_batches(columns=[*COLUMNS, "status", "split"]):
            table = pa.Table.from_batches([batch])
            mine = table.filter(pc.and_(pc.equal(table["status"], KEPT), pc.equal(table["split"], split)))
            new = np.ones(mine.num_rows, bool)
            names = mine["frame_id"].combine_chunks()
            if len(names) > 1:
                new[1:] = pc.not_equal(names[1:], names[:-1]).to_numpy(zero_copy_only=False)
            yield mine.filter(pa.array(new)).select(COLUMNS)


def _bits(texts: pa.Array) -> np.ndarray:
    return np.array([int(text, 16) for text in texts.to_pylist()], np.uint64)
