"""Assembly: the pairs of all shards in one WORLDTASKS table, each with its split or the reason it has none.

In order: what must not be published goes (`removed_on_request`), near-duplicate pictures go (`near_duplicate`,
near_duplicates.py), the benchmark is drawn and what train may not share with it goes (`bench_image`, `bench_cluster`,
`bench_clip`, `bench_source`, split.py; `bench_copy`, copies.py). Keys and hashes are held in memory, about 500 bytes a
frame and 40 a pair; words are streamed.

A removal request takes the near-duplicates of a picture along. Without that, removing a picture would publish the very
next one like it, which deduplication had held back until then.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.assembly.clip_neighbours import Embedded, read_embeddings
from curation.assembly.copies import WAYS
from curation.assembly.decide import REASONS, Verdicts, decide
from curation.assembly.groups import group_names, numbered
from curation.assembly.index import Index, merged, read_index
from curation.assembly.near_duplicates import hamming, near_duplicates
from curation.assembly.options import WorldtasksOptions
from curation.assembly.picture_hashes import Picture, PictureHashes
from curation.assembly.removals import read_removal_list
from curation.assembly.statistics import statistics
from curation.assembly.text_copies import TextHasher
from curation.schemas import CLIPS, WORLDTASKS
from storage.tables import KEPT, REJECTED, ROW_GROUP, write_batches

FROM_CLIPS = ["external_id", "external_start_s", "redistributable"]
PICTURE = ["frame_id", "image", "image_sha256", "width", "height"]
COPIED = [
    name
    for name in WORLDTASKS.names
    if name not in {"sample_id", *FROM_CLIPS, "text_copies", "split", "status", "reason", "detail"}
]


def assemble(
    taxonomy_tables: Sequence[Path],
    clips_tables: Sequence[Path],
    aesthetics_tables: Sequence[Path],
    out: Path,
    options: WorldtasksOptions,
    meta: Mapping[str, Any],
    pictures: PictureHashes | None = None,
) -> dict[str, Any]:
    """Writes the WORLDTASKS table `out`, sorted by (frame_id, task_index), with `meta` in its footer.

    Altered copies of benchmark images are looked for among `pictures`, where they are given. Returns the counts of
    `statistics` and what only assembly knows: `clusters` of near-duplicate frames, `bench_target`, `excluded_by` (the
    kind of group that is not on both sides), `pairs_of_like_text`, `groups`, `bench_groups`, `bench_shortfall` (why the
    benchmark is smaller than its target, or ""), `unreadable_pictures`, whether CLIP `embeddings` were compared, and
    how many ids of the removal list matched nothing here (`removal_unmatched`). The same tables in any order and number
    of shards give the same rows. Raises ValueError for unsorted or contradicting tables and for a pair whose clip is in
    no CLIPS table.
    """
    index = read_index(taxonomy_tables)
    clips = read_clips(clips_tables, index.clip_ids)
    listed, listed_rows, unmatched = find_listed(read_removal_list(options.removed), index, clips)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        vectors = read_embeddings(aesthetics_tables, index.frame_ids, Path(scratch) / "embeddings.npy")
        embedded = None if vectors is None else Embedded(vectors, options.clip_similarity)
        rank = np.empty(len(index.hashes), np.int64)
        rank[np.lexsort((np.arange(len(rank)), ~listed))] = np.arange(len(rank))
        cluster, keeper = near_duplicates(index.hashes, rank, options.near_duplicate_distance, embedded)
    names = group_names(
        index.clip_ids, *(clips[name].combine_chunks() for name in ("external_id", "path")), options.group_by
    )
    group = numbered(names)[index.clip_of]
    hashes = None if pictures is None else lambda frames: pictures.of(read_pictures(taxonomy_tables, index, frames))
    texts = read_texts(taxonomy_tables, index)
    verdicts, facts = decide(index, listed, listed_rows, cluster, keeper, group, options, hashes, texts)
    write_batches(out, _tables(taxonomy_tables, index, clips, keeper, verdicts), WORLDTASKS, dict(meta))
    sizes = np.bincount(cluster) if len(cluster) else np.zeros(0, int)
    facts |= {"clusters": int((sizes > 1).sum()), "removal_unmatched": unmatched, "embeddings": embedded is not None}
    return statistics(out) | facts


def read_clips(tables: Sequence[Path], clip_ids: pa.Array) -> pa.Table:
    """The columns FROM_CLIPS and `path` of the kept clips, in the order of `clip_ids`. Unknown redistribution reads as
    forbidden."""
    columns = ["clip_id", *FROM_CLIPS, "path"]
    kept = [pq.read_table(path, columns=columns, filters=[("status", "=", KEPT)]).combine_chunks() for path in tables]
    table = pa.concat_tables(kept) if kept else CLIPS.empty_table().select(columns)
    if pc.count_distinct(table["clip_id"]).as_py() != table.num_rows:
        counts = pc.value_counts(table["clip_id"]).to_pylist()
        raise ValueError(f"clip {max(counts, key=lambda c: c['counts'])['values']} is kept twice: once is expected")
    rows = pc.index_in(clip_ids, table["clip_id"].combine_chunks())
    if rows.null_count:
        raise ValueError(
            f"clip {clip_ids[pc.index(pc.is_null(rows), True).as_py()]} is in none of {len(tables)} clips tables"
        )
    table = table.select(columns[1:]).take(rows)
    # A start that is not a number is one we do not know.
    start = pc.if_else(pc.fill_null(pc.is_finite(table["external_start_s"]), False), table["external_start_s"], None)
    table = table.set_column(1, FROM_CLIPS[1], start)
    table = table.set_column(0, FROM_CLIPS[0], pc.fill_null(table["external_id"], ""))
    return table.set_column(2, FROM_CLIPS[2], pc.fill_null(table["redistributable"], False))


def read_texts(tables: Sequence[Path], index: Index) -> np.ndarray:
    """uint64 [n]: a hash of each pair's words, see text_copies.py."""
    hasher, found = TextHasher(), np.zeros(len(index), np.uint64)
    for rows, table in merged(tables, index, ["task", "solution"], ROW_GROUP):
        pairs = zip(table["task"].to_pylist(), table["solution"].to_pylist(), strict=True)
        found[rows] = hasher.hashes(f"{task} {solution}" for task, solution in pairs)
    return found


def read_pictures(tables: Sequence[Path], index: Index, frames: np.ndarray) -> list[Picture]:
    """Where the pictures of `frames` (int [n]) lie."""
    wanted = index.frame_ids.take(pa.array(frames))
    parts = []
    for path in tables:
        part = pq.read_table(path, columns=PICTURE).combine_chunks()
        parts.append(part.take(pc.index_in(wanted, part["frame_id"].combine_chunks()).drop_null()))
    table = pa.concat_tables(parts)
    table = table.take(pc.index_in(wanted, table["frame_id"].combine_chunks()))
    short = pc.fill_null(pc.min_element_wise(table["width"], table["height"]), 0)
    return [
        Picture(*row)
        for row in zip(*(c.to_pylist() for c in (table["image"], table["image_sha256"], short)), strict=True)
    ]


def find_listed(listed: frozenset[str], index: Index, clips: pa.Table) -> tuple[np.ndarray, np.ndarray, int]:
    """(frames, rows, unmatched): which frames (bool [F]) and single pairs (bool [n]) a removal list names, and how many
    of its ids are nothing here. An id may be a clip's, a frame's, a pair's or a source video's."""
    names = pa.array(sorted(listed), pa.string())
    matched = np.zeros(len(names), bool)

    def named(column: pa.Array) -> np.ndarray:
        place = pc.index_in(column, names)
        matched[place.drop_null().to_numpy()] = True
        return pc.is_valid(place).to_numpy(zero_copy_only=False)

    clip_listed = named(index.clip_ids) | named(clips["external_id"].combine_chunks())
    frames = named(index.frame_ids) | clip_listed[index.clip_of]
    rows = np.zeros(len(index), bool)
    for number, name in enumerate(names.to_pylist()):
        frame_id, _, task = name.rpartition("_")
        frame = pc.index(index.frame_ids, frame_id).as_py() if task.isdecimal() else -1
        if frame >= 0:
            low, high = np.searchsorted(index.frame_of, [frame, frame + 1])
            own = low + np.flatnonzero(index.task_index[low:high] == int(task))
            rows[own] = True
            matched[number] |= bool(len(own))
    return frames, rows, int((~matched).sum())


def _tables(
    paths: Sequence[Path], index: Index, clips: pa.Table, keeper: np.ndarray, verdicts: Verdicts
) -> Iterator[pa.Table]:
    reasons = pa.array(REASONS)
    for rows, table in merged(paths, index, COPIED, ROW_GROUP):
        columns = {name: table[name] for name in COPIED}
        clip_rows = pa.array(index.clip_of[index.frame_of[rows]])
        columns |= {name: clips[name].take(clip_rows) for name in FROM_CLIPS}
        number = pc.cast(table["task_index"], pa.string())
        reason = verdicts.reason[rows]
        splits = np.where(reason > 0, 0, np.where(verdicts.bench[rows], 2, 1))
        columns["sample_id"] = pc.binary_join_element_wise(table["frame_id"], number, "_")
        columns["text_copies"] = pa.array(verdicts.text_copies[rows])
        columns["split"] = pa.array(["", "train", "bench"]).take(pa.array(splits))
        columns["status"] = pa.array([KEPT, REJECTED]).take(pa.array((reason > 0).astype(np.int8)))
        columns["reason"] = reasons.take(pa.array(reason))
        columns["detail"] = pa.array(_details(index, rows, verdicts), pa.string())
        yield pa.table([columns[name] for name in WORLDTASKS.names], schema=WORLDTASKS)


def _details(index: Index, rows: slice, verdicts: Verdicts) -> list[str]:
    details = [""] * (rows.stop - rows.start)
    for place in np.flatnonzero(verdicts.reason[rows]).tolist():
        row = rows.start + place
        reason, other = REASONS[verdicts.reason[row]], int(verdicts.other[row])
        name = index.frame_ids[other].as_py() if other >= 0 else ""
        if reason == "removed_on_request":
            details[place] = f"near-duplicate of {name}, which is listed" if name else "listed"
        elif reason == "near_duplicate":
            bits = int(hamming(index.hashes[index.frame_of[row]], index.hashes[other]))
            details[place] = f"{name} at {bits} of 64 bits"
        elif reason == "bench_copy":
            bits, way = verdicts.copies[int(index.frame_of[row])]
            details[place] = f"{name}, {WAYS[way]}, at {bits} of 64 bits"
        else:
            details[place] = name
    return details
