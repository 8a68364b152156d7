"""A part of a file has the frames of that part, each reachable, and the file's own times."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.errors import MediaError
from media.index import FrameIndex
from media.plan import plan_clip
from media.probe import probe
from media.span import within
from media.verbs import probe_file
from tests.media import media_fixtures as make
from tests.media.test_interlaced import indexes
from tests.media.test_shots import CUTS, film


def facts_of(index, last_ticks=1):
    duration = float(index.exact_seconds(index.pts[-1]) + last_ticks * index.time_base)
    return {"duration_s": duration, "fps": 1.0, **index.to_row()}


@given(indexes(), st.floats(0, 1), st.floats(0, 1))
def test_a_part_holds_each_frame_nearest_to_its_times_once_and_can_be_planned(index, low, high):
    facts = facts_of(index)
    start_s, end_s = sorted((low * facts["duration_s"], high * facts["duration_s"]))
    if index.counted:
        with pytest.raises(MediaError, match="no times"):
            within(facts, start_s, end_s)
        return
    times = np.append(index.pts, round(Fraction(facts["duration_s"]) / index.time_base) + index.pts[0])
    seconds = np.asarray([index.seconds(int(pts)) for pts in times])
    first = int(np.argmin(np.abs(seconds - start_s)))
    if first == len(index.pts):
        with pytest.raises(MediaError, match="the clip is"):
            within(facts, start_s, end_s)
        return
    part = within(facts, start_s, end_s)
    inside = FrameIndex.from_row(part)
    assert inside.pts[0] == index.pts[first] and part["begins_s"] == seconds[first]
    assert inside.pts.tolist() == index.pts[first : first + part["frame_count"]].tolist()
    assert abs(part["begins_s"] + part["duration_s"] - max(end_s, part["begins_s"])) <= np.diff(seconds).max() + 1e-9
    assert set(inside.keyframe_pts) <= set(index.keyframe_pts)
    plan = plan_clip(inside, 4, mode="exact")
    assert {frame.pts for frame in plan.wanted} <= set(inside.pts.tolist())
    assert all(run.start in index.keyframe_pts for run in plan.runs)


@given(indexes())
def test_parts_end_to_end_are_the_whole(index):
    if index.counted:
        return
    facts = facts_of(index)
    half = facts["duration_s"] / 2
    try:
        parts = [within(facts, 0.0, half), within(facts, half, facts["duration_s"])]
    except MediaError:
        return  # the one frame there is lies in the first half
    found = np.concatenate([FrameIndex.from_row(part).pts for part in parts])
    assert sorted(set(found.tolist())) == index.pts.tolist()


def test_a_file_that_ends_before_the_part_begins_is_told(clips):
    facts = probe(clips["plain"])
    with pytest.raises(MediaError, match=r"the clip is 100\.00 to 160\.00 s of it") as told:
        within(facts, 100.0, 160.0)
    assert told.value.reason == "shorter_than_row"


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
def test_cuts_of_a_part_are_those_of_the_file_within_it(tmp_path, name):
    path = make.write_video(tmp_path / name, frames=150, draw=film, options={"bf": "3"})
    index = FrameIndex.from_row(probe(path))
    job = {"path": str(path), "cut_threshold": 3.0, "span": [50 / 24, 95 / 24]}
    part = probe_file(job)
    assert part["cut_pts"] == [int(index.pts[CUTS[1]])]
    assert FrameIndex.from_row(part).pts.tolist() == index.pts[50:95].tolist()
