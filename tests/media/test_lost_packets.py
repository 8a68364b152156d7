"""Packets in, fewer pictures out: what leans on a lost picture is not published, what does not is."""

import numpy as np
import pytest

from media.decode import decode_stills
from media.index import FrameIndex
from media.plan import plan_clip
from media.probe import probe
from tests.media import faults
from tests.media import media_fixtures as make
from tests.media.test_decode_matrix import shown


@pytest.mark.parametrize("policy", [{"count": 8}, {"count": 20}, {"every_s": 0.001}], ids=str)
@pytest.mark.parametrize("number", [1, 3, 13, 14, 15, 17])
def test_no_frame_that_leans_on_a_lost_packet_is_delivered(clips, tmp_path, policy, number):
    whole = clips["plain"]
    path = faults.without_packet(whole, tmp_path / "lost.mp4", number)
    index, full = FrameIndex.from_row(probe(path)), make.full_decode(whole)
    reasons = set()
    for still in decode_stills(path, plan_clip(index, **policy)):
        if still.error is None:
            assert np.abs(still.picture.astype(int) - full[still.pts]).mean() < 0.5, still.pts
        else:
            reasons.add(still.error.reason)
    assert reasons <= {"corrupt_frame", "frame_not_delivered"}
    if "every_s" in policy:
        assert reasons


@pytest.mark.parametrize("number", [3, 13, 14, 15, 30])
def test_a_frame_is_not_counted_as_the_one_before_it_after_a_loss(tmp_path, number):
    """AVI: the n-th frame out is the n-th shown, until a packet gives none."""
    whole = make.write_video(tmp_path / "whole.avi", options={"bf": "3", "b-pyramid": "normal"})
    path = faults.without_packet(whole, tmp_path / "lost.avi", number)
    index, full = FrameIndex.from_row(probe(path)), shown(whole)
    assert index.counted and len(index.pts) == len(full) == 48
    errors = set()
    for still in decode_stills(path, plan_clip(index, every_s=0.001)):
        if still.error is None:
            place = int(np.searchsorted(index.pts, still.pts))
            assert np.abs(still.picture.astype(int) - full[place][1]).mean() < 0.5, place
        else:
            errors.add(still.error.reason)
    assert errors and errors <= {"corrupt_frame", "frame_not_delivered"}


def test_frames_are_counted_from_the_first_keyframe_on(tmp_path):
    """A recording of AVI that was joined in the middle: what comes before the first keyframe has no place."""
    whole = make.write_video(tmp_path / "whole.avi", options={"bf": "3", "b-pyramid": "normal"})
    packets = iter(range(100))
    path = make.remux(whole, tmp_path / "cut.avi", keep=lambda packet: next(packets) >= 4)
    index, full = FrameIndex.from_row(probe(path)), shown(whole)
    assert index.counted and len(index.pts) == 36
    stills = list(decode_stills(path, plan_clip(index, every_s=0.001)))
    assert len(stills) == 36
    for still in stills:
        place = 12 + int(np.searchsorted(index.pts, still.pts))
        assert still.error is None and np.array_equal(still.picture, full[place][1]), place


def test_sound_files_lose_no_frame_to_the_count(clips):
    for path in clips.values():
        stills = list(decode_stills(path, plan_clip(FrameIndex.from_row(probe(path)), every_s=0.001)))
        assert not [still.error for still in stills if still.error]
