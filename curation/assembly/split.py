"""The benchmark split: which image-task pairs are held out, and what train may not keep because of it.

Size: `bench_size` pairs (the paper's 200), but never more than `max_bench_share` of the images, so that a small dataset
keeps its train split; one at least when there are two images. One pair an image, one image a near-duplicate cluster.

Strata: (agent category, task type). Each gets its share of the seats by its number of pairs, largest remainders first,
so the benchmark has the composition of the whole (the paper draws at random and reports close to the same shares).

Order: pairs are taken by a salted hash of their id, not by a random state, so a new clip changes only the few seats
that its own pairs win or that rounding moves.

What train gives up: the benchmark's images, always; the rest of their near-duplicate clusters, always; and every other
frame of their clips, so that no scene of the benchmark is trained on, if that costs at most `max_excluded_share` of the
images. At the paper's size it costs about 7 %. In a small dataset of few clips it would cost most of train: then only
images and clusters are kept apart, which is what the paper asks for, and the statistics say so.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.tables import KEPT, read_meta

LEAKS_LISTED = 1000
BATCH = 10_000


@dataclass(frozen=True)
class Split:
    """`chosen`: rows of the benchmark, ascending. `by_clip`: whether train gives up whole clips for it."""

    chosen: np.ndarray
    by_clip: bool


def bench_target(images: int, bench_size: int, max_share: float) -> int:
    """Pairs wanted for the benchmark of a dataset with `images` images; see the module's words for the rule."""
    least = 1 if images >= 2 else 0
    return min(bench_size, max(int(images * max_share), least))


def apportion(counts: np.ndarray, seats: int) -> np.ndarray:
    """int64 [S]: `seats` given to strata in proportion to `counts` (int [S]), largest remainders first.

    Ties go to the earlier stratum. No stratum gets more seats than it counts. Raises ValueError for more seats than
    pairs.
    """
    total = int(counts.sum())
    if seats > total:
        raise ValueError(f"{seats} seats for {total} pairs: at most one a pair is expected")
    if not seats:
        return np.zeros(len(counts), np.int64)
    exact = counts.astype(object) * seats  # whole numbers of any size: no rounding decides a tie
    given = np.array([value // total for value in exact], np.int64)
    remainders = np.array([value % total for value in exact], np.int64)
    given[np.argsort(-remainders, kind="stable")[: seats - int(given.sum())]] += 1
    return given


def stable_order(frame_ids: pa.Array, frame_of: np.ndarray, task_index: np.ndarray, salt: str) -> np.ndarray:
    """uint64 [n]: a hash of each pair's frame, number and `salt`, the same wherever the pair stands."""
    key = hashlib.sha256(salt.encode()).digest()[:16]
    digests = b"".join(
        hashlib.blake2b(frame.encode(), digest_size=8, key=key).digest() for frame in frame_ids.to_pylist()
    )
    x = np.frombuffer(digests, ">u8").astype(np.uint64)[frame_of]
    # One round of splitmix64 tells the pairs of a frame apart without hashing a text for each.
    x = x + (task_index.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def choose(order: np.ndarray, group: np.ndarray, stratum: np.ndarray, seats: int) -> np.ndarray:
    """Rows (int64, ascending) of up to `seats` pairs, at most one of a `group`, by strata's quotas in stable order.

    `order` uint64 [n], `group` int [n] (near-duplicate cluster), `stratum` int [n], of the pairs that may be chosen.
    Where a stratum cannot fill its seats because its images are taken, the next pairs of any stratum do.
    """
    quota = apportion(np.bincount(stratum, minlength=1), min(seats, len(order)))
    ranked = np.lexsort((np.arange(len(order)), order))
    taken: dict[int, int] = {}  # group -> row
    for row in ranked[quota[stratum[ranked]] > 0].tolist():
        if quota[stratum[row]] and group[row] not in taken:
            taken[group[row]] = row
            quota[stratum[row]] -= 1
            if len(taken) == seats:
                break
    for row in ranked.tolist() if len(taken) < seats else []:
        if group[row] not in taken:
            taken[group[row]] = row
            if len(taken) == seats:
                break
    return np.array(sorted(taken.values()), np.int64)


def costs_too_much(bench_frames: np.ndarray, clip_of: np.ndarray, images: np.ndarray, most_share: float) -> bool:
    """Whether giving up the other images of the benchmark's clips would cost more than `most_share` of all images.

    `bench_frames` int [b], `images` int [m] frames that are published, `clip_of` int [frames].
    """
    shared = np.isin(clip_of[images], clip_of[bench_frames]).sum() - len(bench_frames)
    return bool(shared > most_share * len(images))


def leaks(worldtasks: Path, distance: int | None = None) -> list[str]:
    """Sentences for every train image that is, or is a near-duplicate of, a benchmark image; empty when there is none.

    Recomputed from the table's image hashes alone, by comparing every train image with every benchmark image: nothing
    of the splitter's or the deduplication's work is used. `distance` in bits; by default the one in the table's
    footer. At most LEAKS_LISTED are listed.
    """
    if distance is None:
        distance = read_meta(worldtasks).get("options", {}).get("near_duplicate_distance", 4)
    columns = ["frame_id", "image_sha256", "phash", "split"]
    bench = pa.concat_tables([part for part in _kept_images(worldtasks, columns, "bench")] or [_no_images(columns)])
    bench = bench.group_by(["frame_id", "image_sha256", "phash"], use_threads=False).aggregate([])
    bench_bits = _bits(bench["phash"])
    found: set[str] = set()
    for train in _kept_images(worldtasks, columns, "train"):
        train = train.group_by(["frame_id", "image_sha256", "phash"], use_threads=False).aggregate([])
        apart = np.bitwise_count(_bits(train["phash"])[:, None] ^ bench_bits[None, :])
        same = pc.index_in(train["image_sha256"], pc.unique(bench["image_sha256"]))
        suspects = np.flatnonzero((apart <= distance).any(axis=1) | np.asarray(pc.is_valid(same)))
        for row in suspects.tolist():
            image, digest = train["frame_id"][row].as_py(), train["image_sha256"][row].as_py()
            for other, name, sha in zip(apart[row], *(bench[c].to_pylist() for c in columns[:2]), strict=True):
                if sha == digest:
                    found.add(f"train image {image} has the bytes of bench image {name}")
                elif other <= distance:
                    found.add(
                        f"train image {image} is {other} bits from bench image {name} (more than {distance} wanted)"
                    )
        if len(found) >= LEAKS_LISTED:
            break
    return sorted(found)[:LEAKS_LISTED]


def _kept_images(path: Path, columns: list[str], split: str):
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=BATCH, columns=[*columns, "status"]):
            kept = pc.and_(pc.equal(batch["status"], KEPT), pc.equal(batch["split"], split))
            part = pa.Table.from_batches([batch]).filter(kept).select(columns)
            if part.num_rows:
                yield part


def _no_images(columns: list[str]) -> pa.Table:
    return pa.table({name: pa.array([], pa.string()) for name in columns})


def _bits(texts: pa.ChunkedArray) -> np.ndarray:
    return np.array([int(text, 16) for text in texts.to_pylist()], np.uint64)
