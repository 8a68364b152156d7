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

import numpy as np
import pyarrow as pa


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
