"""Chunks and history: 14 chunks are 57 frames, nothing is clamped, the ring buffer gives the published ages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from robots.timing import History, Timing, TooShort

TIMINGS = some.builds(
    Timing,
    history=some.integers(1, 8),
    frames=some.integers(2, 7),
    stride=some.integers(1, 4),
    pattern=some.sampled_from(["replay", "training"]),
)


def test_fourteen_chunks_are_57_unique_frames():
    timing = Timing()
    assert timing.unique(14) == 57
    assert len({int(row) for chunk in range(14) for row in timing.chunk_rows(0, chunk)}) == 57


@pytest.mark.parametrize(("rows", "starts"), [(56, 0), (57, 1), (89, 33), (137, 81), (80, 24), (62, 6), (39, 0)])
def test_the_start_positions_of_the_droid_sample(rows, starts):
    assert len(Timing().starts(rows, 14)) == starts


def test_57_frames_of_an_episode_of_56_are_refused_with_both_numbers():
    with pytest.raises(
        TooShort, match=r"^episode 0 has 56 rows: .*14 chunks \(57 frames.* needs 57; it allows 13 chunks$"
    ):
        Timing().require(56, 14, "episode 0")
    Timing().require(57, 14, "episode 0")


def test_the_published_ages():
    assert Timing().ages == (None, None, 28, 20, 12, 4)
    assert Timing(pattern="training").ages == (24, 20, 16, 12, 8, 4)
    assert Timing(history=3).ages == (None, None, 4)
    assert [Timing(history=n).ages for n in (1, 2)] == [(4,), (None, 4)]
    assert Timing(history=4, frames=3).ages == (None, None, 6, 2)


@pytest.mark.parametrize(("stride", "ages"), [(1, [24, 20, 16, 12, 8, 4]), (2, [48, 40, 32, 24, 16, 8])])
def test_ages_in_rows_at_both_strides(stride, ages):
    timing = Timing(stride=stride, pattern="training")
    current = timing.chunk_rows(3, 10)[0]
    assert (current - timing.history_rows(3, 10)).tolist() == ages
    replay = Timing(stride=stride)
    assert (current - replay.history_rows(3, 10)).tolist()[2:] == [28 * stride, 20 * stride, 12 * stride, 4 * stride]
    assert replay.history_rows(3, 10).tolist()[:2] == [3, 3]


def test_before_the_first_frame_is_the_first_frame():
    assert Timing().history_rows(7, 0).tolist() == [7] * 6
    assert Timing().history_rows(7, 2).tolist() == [7, 7, 7, 7, 7, 11]
    assert Timing(pattern="training").history_rows(7, 3).tolist() == [7, 7, 7, 7, 11, 15]


def released_list(chunks: int) -> list[list[int]]:
    """Times of the history as the released replay script takes them: 24 copies of frame 0, the last frame of each chunk
    appended, list places [0, 0, -8, -6, -4, -2]."""
    kept, taken = [0] * 24, []
    for chunk in range(chunks):
        taken.append([kept[place] for place in (0, 0, -8, -6, -4, -2)])
        kept.append(4 * (chunk + 1))
    return taken


def test_at_every_chunk_the_ring_buffer_gives_what_the_released_script_reads():
    timing, history = Timing(), History(Timing())
    history.begin(0)
    for chunk, released in enumerate(released_list(20)):
        now = chunk * timing.new
        assert history.taken(now) == released == timing.history_rows(0, chunk).tolist()
        history.add(now + timing.new, now + timing.new)


@given(TIMINGS, some.integers(0, 50), some.integers(1, 25))
def test_ring_buffer_and_rows_agree_for_every_timing(timing, start, chunks):
    history = History(timing)
    history.begin(start)
    for chunk in range(chunks):
        now, rows = chunk * timing.new, timing.chunk_rows(start, chunk)
        assert history.taken(now) == timing.history_rows(start, chunk).tolist()
        assert timing.action_rows(start, chunk).tolist() == history.taken(now) + rows.tolist()
        history.add(int(rows[-1]), now + timing.new)
        assert len(history.kept) <= history.reach // timing.new + 2  # a chunk each, and the first


@given(TIMINGS, some.integers(0, 300), some.integers(1, 25))
def test_a_rollout_fits_exactly_where_starts_says(timing, n_rows, chunks):
    starts = timing.starts(n_rows, chunks)
    assert all(timing.rows(start, chunks)[-1] < n_rows for start in starts)
    assert timing.rows(len(starts), chunks)[-1] >= n_rows  # the next start does not fit
    assert (chunks <= timing.longest(n_rows)) == bool(starts)
    chunks_rows = np.concatenate([timing.chunk_rows(5, chunk) for chunk in range(chunks)])
    assert np.array_equal(np.unique(chunks_rows), timing.rows(5, chunks))
    assert len(timing.rows(5, chunks)) == timing.unique(chunks)


def test_a_branch_has_a_history_of_its_own():
    shared = History(Timing())
    shared.begin("first")
    branch = shared.copy()
    branch.add("of the branch", 4)
    with pytest.raises(ValueError, match=r"^no frame of time 4 is remembered: there are \[0\]$"):
        shared.taken(8)
    assert branch.taken(8)[-1] == "of the branch"


def test_times_that_do_not_go_on_and_wrong_sizes_are_refused():
    history = History(Timing())
    with pytest.raises(ValueError, match=r"added to those of times \[\]: begin"):
        history.add(1, 4)
    history.begin(0)
    history.add(1, 4)
    with pytest.raises(ValueError, match=r"time 4 was added to those of times \[0, 4\]"):
        history.add(1, 4)
    with pytest.raises(ValueError, match="frames is 1: at least 2"):
        Timing(frames=1)
    with pytest.raises(ValueError, match="pattern 'policy' is not known: replay or training"):
        Timing(pattern="policy")
