"""The benchmark split: which image-task pairs are held out, and what train may not keep because of it.

Size: `bench_size` pairs (the paper's 200), but never more than `max_bench_share` of the images, so that a small dataset
keeps its train split; one at least when there are two images. One pair an image, one image a near-duplicate cluster.

Groups: no group (a source video, see groups.py) has images on both sides, at any size. So train loses every other image
of a group that the benchmark takes from, which costs about 7 % of the images at the paper's size. It may cost at most
`spare` images. In a smaller dataset the benchmark takes several images from fewer groups instead, down to whole groups,
which cost nothing; where that is not enough either, it is smaller. One group stays in train: a single group gives no
benchmark.

Strata: (agent category, task type). Each gets its share of the seats by its number of pairs, largest remainders first,
so the benchmark has the composition of the whole (the paper draws at random and reports close to the same shares).

Order: pairs are taken by a salted hash of their id, not by a random state, so a new clip changes only the few seats
that its own pairs win or that rounding moves.
"""

import hashlib
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Pairs:
    """The pairs that may be chosen: arrays of their number n. A frame is in one group and in one cluster."""

    order: np.ndarray  # uint64: who comes first
    frame: np.ndarray  # int
    cluster: np.ndarray  # int, of near-duplicate frames
    group: np.ndarray  # int, from 0: what may not be on both sides
    stratum: np.ndarray  # int, from 0

    def __len__(self) -> int:
        return len(self.order)


class _Groups:
    """The groups that the benchmark takes from, opened one by one while train can spare the rest of their images.

    At the end each cluster of an open group gives one pair, or all seats are taken. So the images that train loses
    are those of the open groups less the smaller of the two numbers: that is what may not exceed `spare`.
    """

    def __init__(self, pairs: Pairs, seats: int, spare: int):
        self._seats, self._spare = seats, spare
        _, first = np.unique(pairs.frame, return_index=True)
        group, cluster = pairs.group[first], pairs.cluster[first]
        self._images = np.bincount(group, minlength=1).tolist()
        by_group = np.argsort(group, kind="stable")
        self._cluster = cluster[by_group]
        self._start = np.concatenate([[0], np.cumsum(self._images)])
        self._closed: set[int] = set()
        self._left = sum(count > 0 for count in self._images)  # groups that are wholly train's
        self._clusters: set[int] = set()  # of the open groups
        self._taken_images = 0  # of the open groups
        self.open: set[int] = set()

    def _of(self, group: int) -> list[int]:
        """The clusters of its images."""
        return self._cluster[self._start[group] : self._start[group + 1]].tolist()

    def cost(self, group: int) -> int:
        """Images that train would have lost in all, with `group` open too."""
        filled = min(self._seats, len(self._clusters | set(self._of(group))))
        return self._taken_images + self._images[group] - filled

    def may_take(self, group: int) -> bool:
        """Whether the benchmark may have pairs of `group`. It is opened if that can be afforded."""
        if group in self.open or group in self._closed:
            return group in self.open
        # What cannot be afforded once never can: opening others only adds to the cost.
        if self._left == 1 or self._taken_images + self._images[group] - self._seats > self._spare:
            affordable = False
        else:
            affordable = self.cost(group) <= self._spare
        if not affordable:
            self._closed.add(group)
            return False
        self.open.add(group)
        self._left -= 1
        self._taken_images += self._images[group]
        self._clusters.update(self._of(group))
        return True

    def cheapest(self) -> int | None:
        """The least that a group with something to give would cost train, in images in all; None without one."""
        if self._left < 2:
            return None
        closed = [group for group, images in enumerate(self._images) if images and group not in self.open]
        return min((self.cost(group) for group in closed if set(self._of(group)) - self._clusters), default=None)


@dataclass(frozen=True)
class Chosen:
    """The benchmark: `rows` (int64, ascending) into the pairs, its `groups`, and what one more group would cost train.

    `next_cost` counts all images that train would then have given up; None when no other group may be taken.
    """

    rows: np.ndarray
    groups: int
    next_cost: int | None


def choose(pairs: Pairs, seats: int, spare: int) -> Chosen:
    """Up to `seats` pairs, at most one of a cluster, by strata's quotas in their order.

    Train gives up at most `spare` images of the groups they come from. Where a stratum cannot fill its seats, the next
    pairs of any stratum do.
    """
    quota = apportion(np.bincount(pairs.stratum, minlength=1), min(seats, len(pairs)))
    ranked = np.lexsort((np.arange(len(pairs)), pairs.order))
    groups = _Groups(pairs, seats, spare)
    cluster, group, stratum = (column.tolist() for column in (pairs.cluster, pairs.group, pairs.stratum))
    left, taken = quota.tolist(), {}  # taken: cluster -> row
    for by_quota in (True, False):
        for row in ranked[quota[pairs.stratum[ranked]] > 0 if by_quota else slice(None)].tolist():
            if len(taken) == seats:
                break
            if by_quota and not left[stratum[row]]:
                continue
            if cluster[row] not in taken and groups.may_take(group[row]):
                taken[cluster[row]] = row
                left[stratum[row]] -= 1
    full = len(taken) == seats
    return Chosen(np.array(sorted(taken.values()), np.int64), len(groups.open), None if full else groups.cheapest())
