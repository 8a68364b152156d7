"""The benchmark split: size, strata, stability, and a leak check that does not trust it."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.assembly.audit import leaks
from curation.assembly.split import apportion, bench_target, choose, stable_order
from curation.schemas import WORLDTASKS
from storage.tables import KEPT, write_table


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


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 60), st.integers(0, 70))
def test_one_pair_an_image_and_every_seat_that_can_be_filled(seed, pairs, seats):
    rng = np.random.default_rng(seed)
    order = rng.integers(0, 2**63, pairs, dtype=np.uint64)
    group, stratum = rng.integers(0, 20, pairs), rng.integers(0, 5, pairs)
    rows = choose(order, group, stratum, seats)
    assert len(set(group[rows])) == len(rows) == min(seats, len(set(group)))
    assert rows.tolist() == sorted(set(rows.tolist()))


def draw(frames: int, seats: int) -> set[tuple[str, int]]:
    ids = pa.array([f"clip{number:05d}" for number in range(frames)])
    frame_of, task = np.repeat(np.arange(frames), 8), np.tile(np.arange(8), frames)
    order = stable_order(ids, frame_of, task, "salt")
    rows = choose(order, frame_of, (frame_of * 7 + task) % 30, seats)
    return {(ids[frame_of[row]].as_py(), int(task[row])) for row in rows}


def test_five_percent_more_clips_move_about_five_percent_of_the_benchmark():
    before, after = draw(2000, 200), draw(2100, 200)
    assert len(before & after) >= 180


def test_the_benchmark_has_the_composition_of_the_whole():
    stratum = np.repeat([0, 1, 2], [5000, 2500, 500])
    order = np.random.default_rng(0).permutation(8000).astype(np.uint64)
    rows = choose(order, np.arange(8000), stratum, 160)
    assert np.bincount(stratum[rows]).tolist() == [100, 50, 10]


def test_seats_that_a_stratum_cannot_fill_go_to_others():
    """All pairs of stratum 1 belong to one image: its second seat is filled from stratum 0."""
    order, group = np.arange(12, dtype=np.uint64), np.array([0, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 6])
    rows = choose(order, group, np.array([0] * 6 + [1] * 6), 4)
    assert len(rows) == 4 and len(set(group[rows])) == 4


def written(path, rows):
    """A WORLDTASKS table of (frame, split, phash, sha) rows."""
    base = dict.fromkeys(WORLDTASKS.names) | {"status": KEPT, "task_index": 0, "reason": "", "detail": ""}
    full = [
        base | {"sample_id": f"{f}_0", "frame_id": f, "split": split, "phash": phash, "image_sha256": sha}
        for f, split, phash, sha in rows
    ]
    write_table(path, full, WORLDTASKS, {"options": {"near_duplicate_distance": 4}})
    return path


@pytest.mark.parametrize(
    ("phash", "sha", "words"),
    [
        ("0" * 16, "b", "0 bits"),
        ("000000000000000f", "b", "4 bits"),
        ("f" * 16, "a", "has the bytes of"),
    ],
)
def test_a_leak_is_told_with_both_images(tmp_path, phash, sha, words):
    path = written(tmp_path / "w.parquet", [("b1", "bench", "0" * 16, "a"), ("t1", "train", phash, sha)])
    (found,) = leaks(path)
    assert words in found and "t1" in found and "b1" in found


def test_pictures_that_differ_enough_are_no_leak(tmp_path):
    rows = [("b1", "bench", "0" * 16, "a"), ("t1", "train", "000000000000001f", "b"), ("t2", "train", "f" * 16, "c")]
    assert leaks(written(tmp_path / "w.parquet", rows)) == []
    assert len(leaks(tmp_path / "w.parquet", distance=5)) == 1


def test_tables_without_a_benchmark_or_without_rows_have_no_leak(tmp_path):
    assert leaks(written(tmp_path / "a.parquet", [("t1", "train", "0" * 16, "a")])) == []
    assert leaks(written(tmp_path / "b.parquet", [])) == []


def test_a_split_that_was_tampered_with_is_caught(forty, tmp_path):
    """The check reads the finished table alone: it finds what the splitter would never do."""
    from curation.assembly.assemble import assemble
    from curation.assembly.options import WorldtasksOptions

    path = tmp_path / "w.parquet"
    assemble(*forty.write(), [], path, WorldtasksOptions(), {})
    assert leaks(path) == []
    rows = pq.read_table(path).to_pylist()
    victim = next(row for row in rows if row["reason"] == "bench_image")
    victim |= {"status": KEPT, "split": "train", "reason": ""}
    write_table(path, rows, WORLDTASKS, {})
    assert len(leaks(path)) == 1
