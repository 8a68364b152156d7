"""Packets in, fewer pictures out: what leans on a lost picture is not published, what does not is."""

import numpy as np
import pytest

from media.decode import decode_stills
from media.index import FrameIndex
from media.plan import plan_clip
from media.probe import probe
from tests.media import faults
from tests.media import media_fixtures as make


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


def test_sound_files_lose_no_frame_to_the_count(clips):
    for path in clips.values():
        stills = list(decode_stills(path, plan_clip(FrameIndex.from_row(probe(path)), every_s=0.001)))
        assert not [still.error for still in stills if still.error]
