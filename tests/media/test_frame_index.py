"""Presentation times survive their compact form exactly, and an index that cannot be right is refused."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.index import MAX_FRAMES, FrameIndex, decode_runs, encode_runs

TICK = Fraction(1, 90_000)

# Epoch-sized nanoseconds (about 1.7e18) are the largest times in use.
any_times = st.lists(st.integers(-(2**61), 2**61), max_size=60)
increasing = st.lists(st.integers(-(2**40), 2**61), min_size=1, max_size=60, unique=True).map(sorted)


@given(any_times)
def test_runs_are_exact_for_any_sequence(times):
    assert decode_runs(encode_runs(times)).tolist() == times


@given(st.integers(-(2**60), 2**60), st.integers(1, 10_000), st.integers(2, 5_000))
def test_a_constant_rate_takes_three_numbers(first, delta, count):
    times = [first + i * delta for i in range(count)]
    assert encode_runs(times) == [first, delta, count - 1]
    assert decode_runs(encode_runs(times)).tolist() == times


@given(increasing)
def test_an_index_survives_its_table_columns(times):
    index = FrameIndex(np.array(times), np.array(times[:1]), TICK)
    again = FrameIndex.from_row(index.to_row())
    assert again.pts.tolist() == times and again.keyframe_pts.tolist() == times[:1] and again.time_base == TICK


@pytest.mark.parametrize("runs", [[0, 1], [0, 1, 0], [0, 1, -5]])
def test_runs_that_nothing_encodes_to_are_refused(runs):
    with pytest.raises(ValueError, match="expected"):
        decode_runs(runs)


def test_a_row_that_claims_billions_of_frames_is_refused_before_memory_is_taken():
    with pytest.raises(ValueError, match=f"at most {MAX_FRAMES}"):
        decode_runs([0, 1, 10**12])


@pytest.mark.parametrize(
    ("pts", "keyframes", "words"),
    [
        ([], [0], "pts has shape"),
        ([0, 1], [], "keyframe_pts has shape"),
        ([0, 2, 1], [0], "pts is not strictly increasing"),
        ([0, 1, 1], [0], "pts is not strictly increasing"),
        ([0, 1, 2], [1, 0], "keyframe_pts is not strictly increasing"),
        ([0, 1, 2], [1], "first keyframe"),
    ],
)
def test_an_index_that_cannot_be_right_is_refused(pts, keyframes, words):
    with pytest.raises(ValueError, match=words):
        FrameIndex(np.array(pts, np.int64), np.array(keyframes, np.int64), TICK)


def test_seconds_count_from_the_first_frame_whatever_the_clock():
    start = 1_700_000_000_000_000_000
    index = FrameIndex(np.array([start, start + 500_000_001]), np.array([start]), Fraction(1, 10**9))
    assert index.exact_seconds(start + 500_000_001) == Fraction(500_000_001, 10**9)
    assert index.seconds(start) == 0.0
