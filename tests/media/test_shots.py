"""Cuts between shots are found where they are; frames keep off them."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.index import FrameIndex
from media.plan import CUT_MARGIN_S, plan_clip, shots
from media.probe import probe
from media.shots import find_cuts
from media.verbs import probe_file
from tests.media import media_fixtures as make
from tests.media.test_interlaced import indexes

CUTS = (30, 75, 104)


def film(number, width, height):
    """Four shots with other colours and other movements, and a flash in the last."""
    shot = sum(number >= cut for cut in CUTS)
    image = make.picture(number, width, height)
    image = np.roll(image, (shot * 40, number * shot), (0, 1))[..., [shot % 3, (shot + 1) % 3, 2]]
    return cv2.convertScaleAbs(image, alpha=1 - 0.2 * shot, beta=20 * shot)


@pytest.mark.parametrize("name", ["film.mp4", "film.avi", "film.ts", "film.h264", "variable.mp4"])
def test_cuts_are_found_at_their_frames(tmp_path, name):
    times = np.cumsum(np.random.default_rng(2).integers(1, 3, 150)).tolist()
    options = {"pts": times.__getitem__} if name == "variable.mp4" else {}
    path = make.write_video(tmp_path / name, frames=150, draw=film, options={"bf": "3"}, **options)
    index = FrameIndex.from_row(probe(path))
    assert find_cuts(path, index, 3.0) == index.pts[list(CUTS)].tolist()
    assert probe_file({"path": str(path), "cut_threshold": 3.0})["cut_pts"] == index.pts[list(CUTS)].tolist()


def test_one_shot_has_no_cut_however_it_moves(clips):
    for name in ("plain", "vfr", "one_frame", "transport_stream"):
        assert find_cuts(clips[name], FrameIndex.from_row(probe(clips[name])), 3.0) == [], name
    assert "cut_pts" not in probe_file({"path": str(clips["plain"]), "cut_threshold": None})


@given(indexes(), st.data())
def test_shots_part_the_frames(index, data):
    cuts = sorted(data.draw(st.sets(st.sampled_from(index.pts[1:].tolist()))) if len(index.pts) > 1 else [])
    parts = shots(index.pts, cuts)
    assert [first for first, _ in parts] == [int(index.pts[0]), *cuts]
    inside = [index.pts[(index.pts >= first) & (index.pts <= last)] for first, last in parts]
    assert np.concatenate(inside).tolist() == index.pts.tolist()


@given(indexes(), st.data(), st.integers(1, 12))
def test_frames_keep_off_cuts_and_stay_in_the_shot_that_was_asked_for(index, data, count):
    cuts = sorted(data.draw(st.sets(st.sampled_from(index.pts[1:].tolist()))) if len(index.pts) > 1 else [])
    plan, usual = plan_clip(index, count, mode="exact", cuts=cuts), plan_clip(index, count, mode="exact")
    if not cuts:
        assert plan == usual
    starts = [int(index.pts[0]), *cuts]
    for frame in plan.wanted:
        asked = float(index.pts[0]) + frame.requested_s / float(index.time_base)
        number = max(0, np.searchsorted(starts, asked + 1e-9, "right") - 1)
        first, last = shots(index.pts, cuts)[number]
        assert first <= frame.pts <= last
        length = last - first
        margin = min(float(CUT_MARGIN_S / index.time_base), length / 4)
        # The frame nearest the moved time: at most half of the longest step nearer to the cut.
        if number:
            assert frame.pts - first >= margin - 1.5


@given(indexes(), st.data(), st.integers(1, 4))
def test_keyframes_on_a_cut_are_not_taken(index, data, count):
    cuts = sorted(data.draw(st.sets(st.sampled_from(index.pts[1:].tolist()))) if len(index.pts) > 1 else [])
    plan = plan_clip(index, count, mode="keyframe", cuts=cuts)
    if plan.mode == "keyframe":
        longer = {first for first, last in shots(index.pts, cuts) if last > first}
        assert not longer & set(cuts) & {frame.pts for frame in plan.wanted}


def test_real_films_are_searched_in_a_moment(shared_data):
    path = shared_data / "scene_clips" / "wild" / "datajuicer_video1.mp4"
    index = FrameIndex.from_row(probe(path))
    cuts = find_cuts(path, index, 3.0)
    assert [round(index.seconds(cut), 1) for cut in cuts] == [6.0, 9.9]
