"""Plans against a brute-force oracle: the right frames, reached at the least cost."""

import json
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.index import FrameIndex
from media.plan import (
    SEEK_COST_FRAMES,
    Plan,
    Run,
    exact_runs,
    governing,
    milliseconds,
    nearest,
    plan_clip,
    requested_times,
)

TICK = Fraction(1, 24)


def index_of(pts, keyframes, tick=TICK):
    return FrameIndex(np.array(pts, np.int64), np.array(keyframes, np.int64), tick)


@st.composite
def indexes(draw):
    pts = sorted(draw(st.sets(st.integers(-50, 400), min_size=1, max_size=40)))
    keyframes = draw(st.sets(st.sampled_from(pts))) | {pts[0] - draw(st.integers(0, 3))}
    return index_of(pts, sorted(keyframes))


@st.composite
def indexes_and_targets(draw):
    index = draw(indexes())
    return index, sorted(draw(st.sets(st.sampled_from(index.pts.tolist()), min_size=1, max_size=7)))


def cost(index, runs):
    """Frames decoded plus seeks, by counting."""
    decoded = sum(np.count_nonzero((index.pts >= run.start) & (index.pts <= run.targets[-1])) for run in runs)
    return decoded + SEEK_COST_FRAMES * len(runs)


def every_grouping(index, targets):
    """All ways to cut the targets into runs, each started at its first target's governing keyframe."""
    for cuts in product((False, True), repeat=len(targets) - 1):
        groups = [[targets[0]]]
        for target, new in zip(targets[1:], cuts, strict=True):
            if new:
                groups.append([target])
            else:
                groups[-1].append(target)
        yield [Run(max(k for k in index.keyframe_pts.tolist() if k <= g[0]), tuple(g)) for g in groups]


@given(indexes_and_targets())
def test_no_grouping_costs_less(case):
    index, targets = case
    runs = exact_runs(index, targets)
    assert cost(index, runs) == min(cost(index, other) for other in every_grouping(index, targets))


@given(indexes_and_targets())
def test_every_target_is_reached_once_in_order_from_the_keyframe_that_governs_it(case):
    index, targets = case
    runs = exact_runs(index, targets)
    assert [target for run in runs for target in run.targets] == targets
    for run in runs:
        assert run.start == max(k for k in index.keyframe_pts.tolist() if k <= run.targets[0])
    assert [run.start for run in runs] == sorted({run.start for run in runs})  # seeks only go forward


@given(indexes(), st.integers(1, 12), st.sampled_from(["auto", "keyframe", "exact"]), st.sampled_from([0.0, 3.0, 30.0]))
def test_a_plan_delivers_frames_that_exist_each_once_in_order(index, count, mode, long_clip_s):
    plan = plan_clip(index, count, mode=mode, long_clip_s=long_clip_s)
    taken = [frame.pts for frame in plan.wanted]
    assert taken == sorted(set(taken)) and set(taken) <= set(index.pts.tolist()) and 1 <= len(taken) <= count
    assert [target for run in plan.runs for target in run.targets] == taken
    names = [milliseconds(frame.seconds) for frame in plan.wanted]
    assert len(set(names)) == len(names)  # frame ids hold milliseconds
    if plan.mode == "keyframe":
        assert set(taken) <= set(index.keyframe_pts.tolist())
        assert all(run.targets == (run.start,) for run in plan.runs)
        assert len(taken) == len(plan_clip(index, count, mode="exact").wanted)  # snapping never costs a frame


@given(indexes(), st.integers(1, 12))
def test_a_plan_survives_the_way_to_a_worker(index, count):
    plan = plan_clip(index, count)
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


@given(st.lists(st.integers(-1000, 1000), min_size=1, unique=True).map(sorted), st.fractions(-10, 2000))
def test_nearest_is_what_a_search_of_all_finds(candidates, tick):
    found = nearest(np.array(candidates), [tick], candidates[0])[0]
    assert found == min(candidates, key=lambda pts: (abs(pts - candidates[0] - tick), pts))


def test_uniform_times_are_the_middles_of_equal_parts():
    index = index_of(range(0, 81), [0])
    assert requested_times(index, 4) == [10, 30, 50, 70]
    assert [frame.pts for frame in plan_clip(index, 4).wanted] == [10, 30, 50, 70]


@given(indexes(), st.floats(0.001, 3))
def test_times_around_frames_alone_find_the_same_frames(index, every_s):
    whole = plan_clip(index, every_s=every_s)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("media.plan.MOST_REQUESTED", 0)
        around = plan_clip(index, every_s=every_s)
        assert len(requested_times(index, 8, every_s)) <= 2 * len(index.pts)
    assert [frame.pts for frame in around.wanted] == [frame.pts for frame in whole.wanted]


def test_a_last_time_that_lies_asks_for_no_billion_frames():
    index = index_of([0, 40, 80, 2**32 - 1], [0], tick=Fraction(1, 1000))
    assert [frame.seconds for frame in plan_clip(index, every_s=0.001).wanted] == [0.0, 0.04, 0.08, 4294967.295]


def test_every_s_starts_at_the_first_frame_and_stays_within_the_clip():
    index = index_of(range(100, 149), [100])  # two seconds
    assert [frame.seconds for frame in plan_clip(index, every_s=0.5).wanted] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert [frame.seconds for frame in plan_clip(index, every_s=99.0).wanted] == [0.0]


def test_a_tenth_of_a_second_is_a_tenth():
    index = index_of(range(0, 1001), [0], Fraction(1, 100))
    assert [frame.pts for frame in plan_clip(index, every_s=0.1).wanted] == list(range(0, 1001, 10))


def test_long_clips_snap_to_keyframes_and_short_ones_do_not():
    frames, keys = range(0, 24 * 60), range(0, 24 * 60, 48)
    assert plan_clip(index_of(frames, keys)).mode == "keyframe"
    assert plan_clip(index_of(frames, keys), long_clip_s=61).mode == "exact"
    assert plan_clip(index_of(frames, keys), mode="exact").mode == "exact"


def test_too_few_keyframes_switch_a_clip_to_exact():
    plan = plan_clip(index_of(range(0, 24 * 60), [0, 500, 1000]), count=8, mode="keyframe")
    assert plan.mode == "exact" and len(plan.wanted) == 8


def test_a_clip_of_one_frame_gives_that_frame():
    plan = plan_clip(index_of([7], [7]))
    assert [frame.pts for frame in plan.wanted] == [7] and plan.wanted[0].seconds == 0.0


def test_groups_without_targets_are_not_visited():
    runs = exact_runs(index_of(range(0, 100), range(0, 100, 10)), [5, 95])
    assert runs == (Run(0, (5,)), Run(90, (95,)))


def test_neighbouring_targets_across_a_keyframe_are_one_run():
    assert exact_runs(index_of(range(0, 20), [0, 10]), [8, 9, 10, 11]) == (Run(0, (8, 9, 10, 11)),)


def test_epoch_sized_times_do_not_overflow():
    start = 1_700_000_000_000_000_000
    index = index_of([start + i * 33_333_333 for i in range(900)], [start], Fraction(1, 10**9))
    plan = plan_clip(index)
    assert len(plan.wanted) == 8 and abs(plan.wanted[0].seconds - plan.wanted[0].requested_s) < 0.017


@pytest.mark.parametrize(
    ("keyframes", "targets", "words"),
    [
        ([], [1], "non-empty"),
        ([5, 0], [6], "strictly increasing"),
        ([0, 0], [6], "strictly increasing"),
        ([0, 5], [6, 1], "sorted"),
        ([3], [2], "before the first keyframe 3"),
    ],
)
def test_impossible_groupings_are_loud(keyframes, targets, words):
    with pytest.raises(ValueError, match=words):
        governing(np.array(keyframes, np.int64), np.array(targets, np.int64))


@pytest.mark.parametrize("target", [-1, 3, 100])
def test_a_target_that_is_no_frame_is_loud_not_clamped(target):
    with pytest.raises(ValueError, match=f"target {target} is no frame"):
        exact_runs(index_of([0, 2, 4], [0]), [target])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"count": 0}, "count 0"),
        ({"every_s": 0.0}, "every_s 0.0"),
        ({"every_s": float("nan")}, "every_s nan"),
        ({"mode": "fast"}, "mode 'fast'"),
    ],
)
def test_options_out_of_range_name_themselves(options, words):
    with pytest.raises(ValueError, match=words):
        plan_clip(index_of([0, 1], [0]), **options)
