"""The benchmark split: size, groups, strata, stability."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.assembly.split import Pairs, apportion, bench_target, choose, stable_order


@pytest.mark.parametrize(
    ("images", "expected"), [(0, 0), (1, 0), (2, 1), (19, 1), (20, 2), (100, 10), (2000, 200), (20_000, 200)]
)
def test_the_benchmark_has_200_pairs_or_a_tenth_of_the_images(images, expected):
    assert bench_target(images, 200, 0.1) == expected


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.data())
def test_apportionment_is_fair(counts, data):
    counts = np.array(counts)
    seats = data.draw(st.integers(0, int(counts.sum())))
    given_seats = apportion(counts, seats)
    assert given_seats.sum() == seats
    assert (given_seats <= counts).all()
    if seats:
        assert (np.abs(given_seats - counts * seats / counts.sum()) < 1).all()


def test_apportionment_of_more_seats_than_pairs_is_refused():
    with pytest.raises(ValueError, match="3 seats for 2 pairs"):
        apportion(np.array([1, 1]), 3)


def pairs_of(order, frame, stratum, group=None, cluster=None) -> Pairs:
    """Every frame is its own cluster and group where nothing else is said."""
    columns = [frame if column is None else column for column in (cluster, group)]
    return Pairs(*map(np.asarray, (order, frame, *columns, stratum)))


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 60), st.integers(0, 70))
def test_one_pair_an_image_and_every_seat_that_can_be_filled(seed, pairs, seats):
    """Where groups cost nothing: each image is one, and the last stays with train."""
    rng = np.random.default_rng(seed)
    order = rng.integers(0, 2**63, pairs, dtype=np.uint64)
    frame, stratum = rng.integers(0, 20, pairs), rng.integers(0, 5, pairs)
    rows = choose(pairs_of(order, frame, stratum), seats, 0).rows
    assert len(set(frame[rows])) == len(rows) == min(seats, len(set(frame)) - 1)
    assert rows.tolist() == sorted(set(rows.tolist()))


@settings(deadline=None, max_examples=300)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=60),
    tasks=st.integers(1, 8),
    strata=st.integers(1, 30),
    clusters=st.integers(1, 200),
    share=st.sampled_from([0.0, 0.02, 0.1, 0.5, 1.0]),
    seats=st.integers(0, 200),
    seed=st.integers(0, 10**6),
)
def test_no_group_is_on_both_sides_and_train_gives_up_no_more_than_allowed(
    sizes, tasks, strata, clusters, share, seats, seed
):
    """Groups of any number of images, some of which are in one near-duplicate cluster, also across groups."""
    rng = np.random.default_rng(seed)
    group_of = np.repeat(np.arange(len(sizes)), sizes)
    images = len(group_of)
    cluster_of = np.where(rng.random(images) < 0.3, rng.integers(0, clusters, images), clusters + np.arange(images))
    frame = np.repeat(np.arange(images), tasks)
    stratum = rng.integers(0, strata, len(frame))
    order = rng.permutation(len(frame)).astype(np.uint64)
    spare = int(share * images)
    chosen = choose(Pairs(order, frame, cluster_of[frame], group_of[frame], stratum), seats, spare)
    bench = frame[chosen.rows]
    groups = set(group_of[bench].tolist())
    assert len(set(cluster_of[bench].tolist())) == len(bench) <= seats
    assert len(groups) == chosen.groups < max(len(sizes), 1) or not len(bench)
    given_up = sum(sizes[group] for group in groups) - len(bench)
    assert given_up <= spare
    if chosen.next_cost is None:
        given = set(cluster_of[bench].tolist())
        able = {int(group) for group, one in zip(group_of, cluster_of, strict=True) if int(one) not in given} - groups
        assert len(bench) == seats or not able or len(sizes) - len(groups) == 1
    else:
        assert len(bench) < seats and chosen.next_cost > spare


def synthetic(clips: int, salt: str = "salt", of_group: int = 1, first: int = 0) -> tuple[pa.Array, Pairs]:
    """Frame ids, and the pairs of clips with 8 images of 8 pairs each, `of_group` clips a group."""
    frames = np.arange(8 * clips)
    ids = pa.array([f"clip{first + number // 8:05d}_{number % 8}" for number in frames.tolist()])
    frame, task = np.repeat(frames, 8), np.tile(np.arange(8), len(frames))
    order = stable_order(ids, frame, task, salt)
    stratum = (frame // 8 * 7 + frame * 3 + task) % 14
    return ids, pairs_of(order, frame, stratum, group=frame // 8 // of_group)


@pytest.mark.parametrize("of_group", [1, 5])
@pytest.mark.parametrize("clips", [25, 500, 1000, 1500, 1800, 2500])
def test_every_size_has_its_benchmark_apart_from_train(clips, of_group):
    """The sizes of a review: up to 1,500 clips the whole benchmark was of training clips, at 1,800 nothing of it."""
    _, pairs = synthetic(clips, of_group=of_group)
    images, target = 8 * clips, bench_target(8 * clips, 200, 0.1)
    chosen = choose(pairs, target, images // 10)
    assert len(chosen.rows) == target
    bench_groups = set(pairs.group[chosen.rows].tolist())
    train = ~np.isin(pairs.group, list(bench_groups))
    assert not bench_groups & set(pairs.group[train].tolist())
    assert 8 * of_group * len(bench_groups) - target <= images // 10
    seats = np.bincount(pairs.stratum[chosen.rows], minlength=14)
    assert np.abs(seats - target * np.bincount(pairs.stratum) / len(pairs)).max() < 1


def test_the_papers_size_keeps_200_of_200_in_proportion():
    _, pairs = synthetic(2500)
    chosen = choose(pairs, bench_target(20_000, 200, 0.1), 2000)
    assert len(chosen.rows) == 200
    assert chosen.groups > 180, "where train can spare it, nearly every image is of another clip"


def draw(clips: int, of_group: int = 1) -> set[tuple[str, int]]:
    ids, pairs = synthetic(clips, of_group=of_group)
    rows = choose(pairs, bench_target(8 * clips, 200, 0.1), 8 * clips // 10).rows
    return {(ids[int(pairs.frame[row])].as_py(), int(row) % 8) for row in rows}


@pytest.mark.parametrize("of_group", [1, 5])
@pytest.mark.parametrize("clips", [2500, 2000, 1500, 1000, 500])
def test_five_percent_more_clips_move_about_five_percent_of_the_benchmark(clips, of_group):
    before, after = draw(clips, of_group), draw(clips + clips // 20, of_group)
    assert len(before & after) >= 180


def test_the_benchmark_has_the_composition_of_the_whole():
    stratum = np.repeat([0, 1, 2], [5000, 2500, 500])
    order = np.random.default_rng(0).permutation(8000).astype(np.uint64)
    rows = choose(pairs_of(order, np.arange(8000), stratum), 160, 0).rows
    assert np.bincount(stratum[rows]).tolist() == [100, 50, 10]


def test_seats_that_a_stratum_cannot_fill_go_to_others():
    """All pairs of stratum 1 belong to one image: its second seat is filled from stratum 0."""
    order, frame = np.arange(12, dtype=np.uint64), np.array([0, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 6])
    rows = choose(pairs_of(order, frame, np.array([0] * 6 + [1] * 6)), 4, 0).rows
    assert len(rows) == 4 and len(set(frame[rows])) == 4
