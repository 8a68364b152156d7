"""Near-duplicates: exact against brute force, never chained away, and not quadratic on copies."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.assembly.clip_neighbours import SCALE, Embedded
from curation.assembly.near_duplicates import near_duplicates, parse_hashes


def clusters_by_brute_force(hashes: list[int], distance: int) -> list[int]:
    """Each member's smallest cluster mate, by comparing all pairs until nothing changes."""
    labels = list(range(len(hashes)))
    changed = True
    while changed:
        changed = False
        for a, b in itertools.combinations(range(len(hashes)), 2):
            if (hashes[a] ^ hashes[b]).bit_count() <= distance and labels[a] != labels[b]:
                labels[a] = labels[b] = min(labels[a], labels[b])
                changed = True
    return labels


def kept_by_brute_force(hashes: list[int], rank: list[int], distance: int) -> list[bool]:
    kept: list[int] = []
    for frame in sorted(range(len(hashes)), key=lambda f: rank[f]):
        if all((hashes[frame] ^ hashes[other]).bit_count() > distance for other in kept):
            kept.append(frame)
    return [frame in kept for frame in range(len(hashes))]


# Hashes that are few bits from each other, and some that are not: what random 64-bit numbers would never give.
NEAR = st.builds(
    lambda base, flips: base ^ sum(1 << bit for bit in flips),
    st.sampled_from([0, 2**64 - 1, 0x0123456789ABCDEF, 0xF0F0F0F0F0F0F0F0]),
    st.sets(st.integers(0, 63), max_size=7),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(NEAR, max_size=40), st.integers(0, 8), st.randoms(use_true_random=False))
def test_clusters_and_keepers_equal_brute_force(hashes, distance, random):
    rank = random.sample(range(len(hashes)), len(hashes))
    cluster, keeper = near_duplicates(np.array(hashes, np.uint64), np.array(rank, np.int64), distance)
    assert cluster.tolist() == clusters_by_brute_force(hashes, distance)
    stays = [bool(keeper[frame] == frame) for frame in range(len(hashes))]
    assert stays == kept_by_brute_force(hashes, rank, distance)
    for frame, other in enumerate(keeper.tolist()):
        assert stays[other] and (hashes[frame] ^ hashes[other]).bit_count() <= distance


@pytest.mark.parametrize("distance", [0, 3, 4, 6, 8])
def test_pairs_at_the_limit_are_found_whatever_bits_differ(distance):
    """Many random hashes make the finder use wide keys; each has one mate at exactly the limit and one beyond it."""
    rng = np.random.default_rng(distance)
    bases = rng.integers(0, 2**63, 3000, dtype=np.uint64)
    flips = [rng.choice(64, distance + 1, replace=False) for _ in bases]
    at = [int(base) ^ sum(1 << int(bit) for bit in bits[:distance]) for base, bits in zip(bases, flips, strict=True)]
    beyond = [int(base) ^ sum(1 << int(bit) for bit in bits) for base, bits in zip(bases, flips, strict=True)]
    hashes = np.concatenate([bases, np.array(at, np.uint64)])
    cluster, _ = near_duplicates(hashes, np.arange(len(hashes)), distance)
    assert (cluster[3000:] == np.arange(3000)).all()
    hashes = np.concatenate([bases, np.array(beyond, np.uint64)])
    cluster, _ = near_duplicates(hashes, np.arange(len(hashes)), distance)
    assert (cluster == np.arange(6000)).all()


def test_a_slow_pan_keeps_the_frames_that_moved():
    """Each frame is 3 bits from the next; ends are far apart, yet all are one cluster."""
    pan = np.array([sum(1 << bit for bit in range(3 * step)) for step in range(8)], np.uint64)
    cluster, keeper = near_duplicates(pan, np.arange(8), 4)
    assert set(cluster) == {0}
    assert keeper.tolist() == [0, 0, 2, 2, 4, 4, 6, 6]


def test_a_million_copies_of_one_picture_count_as_one():
    """Their pairs would be 5 * 10^11: this only ends because equal hashes are one before any comparison."""
    hashes = np.concatenate([np.zeros(1_000_000, np.uint64), np.array([7, 2**63], np.uint64)])
    cluster, keeper = near_duplicates(hashes, np.arange(len(hashes)), 4)
    assert (cluster == 0).all() and (keeper == 0).all()


def test_a_ball_of_distinct_hashes_is_joined_by_few_comparisons():
    """2,081 hashes within 2 bits of zero are all near each other: two million pairs, of which few need a look."""
    ball = [0] + [1 << a for a in range(64)] + [1 << a | 1 << b for a, b in itertools.combinations(range(64), 2)]
    hashes = np.array(sorted(ball), np.uint64)
    cluster, keeper = near_duplicates(hashes, np.arange(len(hashes)), 4)
    assert (cluster == 0).all() and (keeper == 0).all()


def test_embeddings_link_frames_that_hashes_do_not():
    hashes = np.array([0, 2**32 - 1, 2**64 - 1], np.uint64)
    vectors = np.round(np.array([[1, 0, 0], [0.999, 0.0447, 0], [0, 0, 1]]) * SCALE).astype(np.int16)
    cluster, keeper = near_duplicates(hashes, np.arange(3), 4, Embedded(vectors, 0.99))
    assert cluster.tolist() == [0, 0, 2] and keeper.tolist() == [0, 0, 2]


def test_frames_without_an_embedding_have_no_clip_neighbours():
    vectors = np.zeros((3, 4), np.int16)
    vectors[2, 0] = SCALE
    _, keeper = near_duplicates(
        np.array([0, 2**32 - 1, 2**64 - 1], np.uint64), np.arange(3), 4, Embedded(vectors, 0.99)
    )
    assert keeper.tolist() == [0, 1, 2]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 900))
def test_products_of_rounded_embeddings_are_exact(seed, size):
    """So no library, thread count or tile can move a pair over the threshold."""
    unit = np.random.default_rng(seed).normal(size=(2, size))
    unit[1] = unit[0] + 0.01 * unit[1]
    rounded = np.round(unit / np.linalg.norm(unit, axis=1, keepdims=True) * SCALE).astype(np.int16)
    exact = int(np.dot(rounded[0].astype(object), rounded[1].astype(object)))
    assert exact < 2**24
    assert float(rounded[0].astype(np.float32) @ rounded[1].astype(np.float32)) == exact


@pytest.mark.parametrize("text", ["", None, "xyz", "0123456789abcdeF", "0123456789abcde", "0123456789abcdef0"])
def test_a_hash_that_is_none_is_named_with_its_frame(text):
    with pytest.raises(ValueError, match="of frame_b: 16 hexadecimal digits"):
        parse_hashes(pa.array(["0" * 16, text], pa.string()), pa.array(["frame_a", "frame_b"]))


def test_no_frames_are_no_problem():
    cluster, keeper = near_duplicates(np.zeros(0, np.uint64), np.zeros(0, np.int64), 4)
    assert len(cluster) == len(keeper) == 0
