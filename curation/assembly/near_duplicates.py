"""Near-duplicate pictures: exact neighbours by 64-bit perceptual hash, their clusters, and which picture stays.

Two frames are near-duplicates when their hashes differ in at most `distance` bits (or their CLIP embeddings agree, see
clip_neighbours.py). A cluster is a connected component of that relation. Inside a cluster not everything goes: a camera
that pans slowly links its first frame to its last through steps that are each small, and both are worth keeping. So the
frames are taken in order of preference and one stays unless it is a near-duplicate of one that stayed: no two of those
left are near-duplicates, and each removed one names a near-duplicate that was kept. Frames of one clip follow the same
rule as any others: a clip that stands still gives one picture, one that moves keeps its up to eight.

The default of 4 bits is measured with curation/quality/measure.perceptual_hash. On 13 real clips, 323 of 324 frames
re-encoded (JPEG 95 and 60) or halved in size stay within 4 bits, while frames of different clips differ in 16 or more;
in the microworld none of 319,600 pairs of scenes come within 4, and an agent moved by half a cell leaves 87 % of
frames further than 4 away. At 6 bits a fifth of those moved frames would be lost.
"""

from collections.abc import Callable
from itertools import combinations, pairwise
from math import log2

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BITS = 64
MOST_WAITING = 2_000_000  # pairs
LONG_RUN = 64  # members that share a key: beyond this, pivots instead of all pairs


class Components:
    """Connected components over 0..n-1, of pairs that come as arrays. Memory is that of MOST_WAITING pairs."""

    def __init__(self, count: int):
        self._labels = np.arange(count)
        self._ones: list[np.ndarray] = []
        self._others: list[np.ndarray] = []
        self._waiting = 0

    def join(self, ones: np.ndarray, others: np.ndarray) -> None:
        self._ones.append(ones)
        self._others.append(others)
        self._waiting += len(ones)
        if self._waiting > MOST_WAITING:
            self.labels()

    def labels(self) -> np.ndarray:
        """int [n]: which component each member is in, below n."""
        if self._waiting:
            from scipy.sparse import coo_array
            from scipy.sparse.csgraph import connected_components

            pairs = (self._labels[np.concatenate(self._ones)], self._labels[np.concatenate(self._others)])
            graph = coo_array((np.ones(self._waiting, bool), pairs), shape=(len(self._labels),) * 2)
            self._labels = connected_components(graph, directed=False)[1][self._labels]
            self._ones, self._others, self._waiting = [], [], 0
        return self._labels


def parse_hashes(texts: pa.Array, names: pa.Array) -> np.ndarray:
    """uint64 [n] of a column of 16 hexadecimal digits. Raises ValueError with the name of the first that is not."""
    wrong = pc.fill_null(pc.invert(pc.match_substring_regex(texts, "^[0-9a-f]{16}$")), True)
    if pc.any(wrong).as_py():
        row = pc.index(wrong, True).as_py()
        raise ValueError(f"phash {texts[row].as_py()!r} of {names[row].as_py()}: 16 hexadecimal digits are expected")
    return np.frombuffer(bytes.fromhex("".join(texts.to_pylist())), ">u8").astype(np.uint64)


def hamming(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Bits in which uint64 hashes differ, uint8, broadcast."""
    return np.bitwise_count(one ^ other)


def join_hashes(components: Components, hashes: np.ndarray, distance: int) -> None:
    """Joins all members of `components` whose distinct `hashes` (uint64 [n]) differ in at most `distance` bits. Exact.

    Multi-index hashing: the 64 bits are cut into distance + k blocks, so two hashes within `distance` agree on at
    least k of them, and sorting by every choice of k blocks brings them together once. k grows with n until a chance
    agreement is rare, which makes the work n log n for hashes that are spread. Where many share a key, one comparison
    of all with one pivot after the other is enough, and it ends as soon as they hang together.
    """
    if len(hashes) < 2:
        return
    chosen = 1
    while BITS * chosen / (distance + chosen) < min(log2(len(hashes)) + 2, 40) and chosen < 4:
        chosen += 1
    edges = np.linspace(0, BITS, distance + chosen + 1).round().astype(int)
    blocks = [((1 << int(high)) - (1 << int(low))) for low, high in pairwise(edges.tolist())]
    for some in combinations(blocks, chosen):
        keys = hashes & np.uint64(sum(some))
        order = np.argsort(keys, kind="stable")
        _join_runs(components, hashes, order, keys[order], distance)


def _join_runs(components: Components, hashes, order, keys, distance: int) -> None:
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    lengths = np.diff(np.append(starts, len(keys)))
    for run in np.flatnonzero(lengths > LONG_RUN):
        _join_long(components, hashes, order[starts[run] : starts[run] + lengths[run]], distance)
    # Members left to compare in each short run, for every member at once: first with the next one, then the one after.
    short = np.where(lengths <= LONG_RUN, lengths, 0)
    after = np.repeat(starts + short, lengths) - np.arange(len(keys)) - 1
    left, step = np.flatnonzero(after > 0), 1
    while len(left):
        ones, others = order[left], order[left + step]
        near = hamming(hashes[ones], hashes[others]) <= distance
        components.join(ones[near], others[near])
        step += 1
        left = left[after[left] >= step]


def _join_long(components: Components, hashes, members, distance: int) -> None:
    for number, pivot in enumerate(members[:-1]):
        # A look costs more than a comparison: before the first pivot, and after 1, 2, 4, 8 ... of them.
        if number & (number - 1) == 0 and len(np.unique(components.labels()[members])) == 1:
            return
        others = members[number + 1 :]
        near = others[hamming(hashes[others], hashes[pivot]) <= distance]
        components.join(np.full(len(near), pivot), near)


def keepers(labels: np.ndarray, rank: np.ndarray, near: Callable[[int, np.ndarray], np.ndarray]) -> np.ndarray:
    """int64 [n]: for each member itself when it stays, else the one that stays and is near it.

    `labels` (int [n]) are components, `rank` (int [n], distinct) the order of preference, lowest first, and
    `near(member, others)` says which of `others` (int [m]) are near-duplicates of `member` (bool [m]).
    """
    kept = np.arange(len(labels))
    order = np.lexsort((rank, labels))
    starts = np.flatnonzero(np.concatenate([[True], np.diff(labels[order]) != 0])) if len(order) else order
    for start, stop in zip(starts, np.append(starts[1:], len(order)), strict=True):
        waiting = order[start:stop]
        while len(waiting) > 1:
            stays, waiting = waiting[0], waiting[1:]
            close = near(stays, waiting)
            kept[waiting[close]] = stays
            waiting = waiting[~close]
    return kept


def near_duplicates(
    hashes: np.ndarray, rank: np.ndarray, distance: int, embedded=None
) -> tuple[np.ndarray, np.ndarray]:
    """(clusters, keepers) of n frames, both int64 [n] of frame positions.

    `hashes`: uint64 [n]; `rank`: int [n], distinct, lowest is preferred; `embedded`: neighbours.Embedded or None.
    Frames with equal hashes count as one throughout, so any number of copies costs no more than sorting them.
    """
    if not len(hashes):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    best_first = np.argsort(rank, kind="stable")
    distinct, first, inverse = np.unique(hashes[best_first], return_index=True, return_inverse=True)
    one_of = best_first[first]  # the preferred frame of each distinct hash
    place = np.empty(len(hashes), np.int64)
    place[best_first] = inverse
    components = Components(len(distinct))
    join_hashes(components, distinct, distance)
    if embedded is not None:
        embedded.join(components, one_of)
    labels = components.labels()

    def near(member: int, others: np.ndarray) -> np.ndarray:
        close = hamming(distinct[others], distinct[member]) <= distance
        return close | embedded.similar(one_of[member], one_of[others]) if embedded is not None else close

    kept = keepers(labels, rank[one_of], near)
    smallest = np.full(len(distinct), len(hashes))
    np.minimum.at(smallest, labels[place], np.arange(len(hashes)))
    return smallest[labels[place]], one_of[kept[place]]
