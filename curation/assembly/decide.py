"""Every pair's fate, from keys and hashes alone: kept for train, drawn for the benchmark, or dropped for a reason."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from curation.assembly.copies import find_copies
from curation.assembly.groups import shortfall
from curation.assembly.index import Index
from curation.assembly.options import WorldtasksOptions
from curation.assembly.split import Pairs, bench_target, choose, stable_order
from curation.assembly.text_copies import text_copies

REASONS = (
    *("", "removed_on_request", "near_duplicate", "bench_image", "bench_cluster", "bench_clip"),
    *("bench_source", "bench_copy", "repeated_text"),
)
CODE = {reason: code for code, reason in enumerate(REASONS)}

# Of frames (int [n]): their hashes (uint64 [n, copies.HASHES]) and which of them are known (bool [n]).
Hashes = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass
class Verdicts:
    """Each row's fate: `reason` (uint8 [n], into REASONS), `other` (int32 [n], the frame that its detail names, or -1)
    and `bench` (bool [n]). `text_copies` (int32 [n]): other frames with nearly the same text. `copies`: of each frame
    that is a benchmark image's altered copy (bits, way) as in copies.py."""

    reason: np.ndarray
    other: np.ndarray
    bench: np.ndarray
    text_copies: np.ndarray
    copies: dict[int, tuple[int, int]] = field(default_factory=dict)

    def reject(self, rows: np.ndarray, reason: str, other: np.ndarray | int = -1) -> None:
        """Gives `reason` to those of `rows` (bool [n]) that have none yet. `other`: int [n] or one number."""
        rows = rows & (self.reason == 0)
        self.reason[rows] = CODE[reason]
        self.other[rows] = other if np.isscalar(other) else other[rows]


def decide(
    index: Index,
    listed: np.ndarray,
    listed_rows: np.ndarray,
    cluster: np.ndarray,
    keeper: np.ndarray,
    group: np.ndarray,
    options: WorldtasksOptions,
    hashes: Hashes | None,
    texts: np.ndarray,
) -> tuple[Verdicts, dict[str, Any]]:
    """Every row's fate, and what was decided about the split.

    Arrays as in `Index`, `find_listed`, `near_duplicates`; `group` (int [F]) says which frames may not be on both
    sides. Altered copies are looked for with `hashes`, where they are given. `texts`: hashes of the
    pairs' texts, uint64 [n].
    """
    count, frame_of = len(index), index.frame_of
    verdicts = Verdicts(
        np.zeros(count, np.uint8), np.full(count, -1, np.int32), np.zeros(count, bool), np.zeros(count, np.int32)
    )
    duplicate = keeper != np.arange(len(keeper))
    verdicts.reject(listed[frame_of] | listed_rows, "removed_on_request")
    verdicts.reject((duplicate & listed[keeper])[frame_of], "removed_on_request", keeper[frame_of])
    verdicts.reject(duplicate[frame_of], "near_duplicate", keeper[frame_of])
    alike = _count_texts(verdicts, frame_of, texts, options.max_text_copies)
    rows = np.flatnonzero(verdicts.reason == 0)
    images = np.unique(frame_of[rows])
    target = bench_target(len(images), options.bench_size, options.max_bench_share)
    frames = frame_of[rows]
    order = stable_order(index.frame_ids, frames, index.task_index[rows], options.split_salt)
    pairs = Pairs(order, frames, cluster[frames], group[frames], index.stratum[rows])
    spare = int(options.max_excluded_share * len(images) + 1e-9)  # 0.29 * 100 is 28.999999999999996
    chosen = choose(pairs, target, spare)
    verdicts.bench[rows[chosen.rows]] = True
    facts = {"bench_target": target, "excluded_by": options.group_by, "groups": len(np.unique(group[images]))}
    facts |= {"bench_groups": chosen.groups, "unreadable_pictures": 0, "pairs_of_like_text": alike}
    told = (target, len(chosen.rows), len(images), facts["groups"], options.group_by, chosen.next_cost)
    facts["bench_shortfall"] = shortfall(*told)
    if len(chosen.rows):
        _keep_apart(verdicts, index, cluster, group)
        if hashes is not None and options.copy_distance is not None:
            facts["unreadable_pictures"] = _reject_copies(verdicts, index, hashes, options.copy_distance)
    return verdicts, facts


def _count_texts(verdicts: Verdicts, frame_of: np.ndarray, texts: np.ndarray, most: int | None) -> int:
    """Counts copies of texts among the pairs left, and rejects those of frames beyond the first `most`.

    Returns how many pairs have copies.
    """
    rows = np.flatnonzero(verdicts.reason == 0)
    copies, place, first = text_copies(texts[rows], frame_of[rows])
    verdicts.text_copies[rows] = copies
    if most is not None:
        too_many, other = np.zeros(len(texts), bool), np.full(len(texts), -1, np.int32)
        too_many[rows], other[rows] = place >= most, first
        verdicts.reject(too_many, "repeated_text", other)
    return int(np.count_nonzero(copies))


def _keep_apart(verdicts: Verdicts, index: Index, cluster: np.ndarray, group: np.ndarray) -> None:
    """Takes from train what shares an image, a near-duplicate cluster, a clip or a group with the benchmark."""
    frame_of = index.frame_of
    bench_frames = frame_of[verdicts.bench]
    sharing = {"image": np.arange(len(cluster)), "cluster": cluster, "clip": index.clip_of, "source": group}
    for name, part in sharing.items():
        same = _first_of(part, bench_frames)[part]
        verdicts.reject((same[frame_of] >= 0) & ~verdicts.bench, f"bench_{name}", same[frame_of])


def _reject_copies(verdicts: Verdicts, index: Index, hashes: Hashes, distance: int) -> int:
    """Takes the benchmark's altered copies from train; returns how many pictures could not be read."""
    frame_of = index.frame_of
    frames = np.unique(frame_of[verdicts.reason == 0])
    bench = np.isin(frames, frame_of[verdicts.bench])
    values, known = hashes(frames)
    nearest: dict[int, tuple[int, int, int]] = {}

    def found(one: int, others: np.ndarray, bits: np.ndarray, ways: np.ndarray) -> None:
        for place in np.flatnonzero(~bench[others]).tolist():
            copy = int(frames[others[place]])
            nearest[copy] = min(nearest.get(copy, (99, 0, 0)), (int(bits[place]), int(ways[place]), int(frames[one])))

    find_copies(values, known, np.flatnonzero(bench), distance, found)
    other = np.full(len(index.hashes), -1, np.int32)
    for copy, (bits, way, one) in nearest.items():
        other[copy] = one
        verdicts.copies[copy] = bits, way
    verdicts.reject(other[frame_of] >= 0, "bench_copy", other[frame_of])
    return int((~known).sum())


def _first_of(group: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """int32 [groups]: the first of `frames` (ascending) in each group, -1 where there is none."""
    first = np.full(int(group.max()) + 1, -1, np.int32)
    first[group[frames[::-1]]] = frames[::-1]
    return first
