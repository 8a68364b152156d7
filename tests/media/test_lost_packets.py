"""Packets in, fewer pictures out: what leans on a lost picture is not published, what does not is."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from media.decode import decode_stills
from media.index import FrameIndex
from media.plan import plan_clip
from media.probe import probe
from tests.media import faults
from tests.media import media_fixtures as make
from tests.media.test_decode_matrix import assert_as_shown, shown


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


@pytest.mark.parametrize("number", [1, 2, 3, 13, 14, 15, 30])
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


@pytest.mark.parametrize(
    ("form", "codec", "options"),
    [
        ("avi", "libx264", {"bf": "3", "b-pyramid": "normal"}),
        ("avi", "libx264", {"bf": "3", "x264-params": "open-gop=1:keyint=12:bframes=3"}),
        ("asf", "mpeg4", {"bf": "2"}),
    ],
    ids=str,
)
def test_frames_are_counted_from_the_first_keyframe_on(tmp_path, form, codec, options):
    """A recording that was joined in the middle: what comes before the first keyframe has no place."""
    whole = make.write_video(tmp_path / f"whole.{form}", codec=codec, options=options)
    packets = iter(range(100))
    path = make.remux(whole, tmp_path / f"cut.{form}", keep=lambda packet: next(packets) >= 4)
    index, full = FrameIndex.from_row(probe(path)), [picture for _, picture in shown(whole)]
    assert index.counted
    stills = {still.pts: still for still in decode_stills(path, plan_clip(index, every_s=0.001))}
    for place, pts in enumerate(index.pts[:36].tolist()):
        assert stills[pts].error is None and np.array_equal(stills[pts].picture, full[12 + place]), place
    # Shown before the first keyframe, they lean on what was cut away. Their packets are in the count.
    assert all(stills[pts].error for pts in index.pts[36:].tolist())


@pytest.mark.parametrize("form", ["avi", "asf", "mkv"])
def test_b_frames_that_begin_late_in_the_file_lose_no_frame(tmp_path, form):
    """AVI has no place for times of showing: the first frames in order say nothing of the others."""
    path = tmp_path / f"late.{form}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 112, 80, "yuv420p"
        stream.codec_context.gop_size, stream.codec_context.thread_count = 60, 1
        stream.options = {"bf": "3", "x264-params": "bframes=3:b-adapt=0:keyint=60"}
        for number in range(200):
            frame = av.VideoFrame.from_ndarray(make.picture(number, 112, 80), "bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 24)
            if number < 140:
                frame.pict_type = PictureType.P if number else PictureType.I
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert_as_shown(path, [{"count": 8}, {"every_s": 0.001}])


@pytest.mark.parametrize("at", [0.3, 0.45, 0.6])
@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_what_a_transport_stream_lost_on_its_way_spoils_no_picture(tmp_path, codec, at):
    """Whole pictures are missing, and no decoder complains: the packets' counters tell."""
    whole = make.write_video(tmp_path / "whole.ts", frames=96, codec=codec, options={"bf": "2"}, size=(112, 80))
    data, path = whole.read_bytes(), tmp_path / "holed.ts"
    begin = int(len(data) * at) // 188 * 188
    path.write_bytes(data[:begin] + data[begin + 4 * 188 :])
    index, full, errors = FrameIndex.from_row(probe(path)), make.full_decode(whole), set()
    for still in decode_stills(path, plan_clip(index, every_s=0.001)):
        if still.error is None:
            assert np.abs(still.picture.astype(int) - full[still.pts]).mean() < 0.5, still.pts
        else:
            errors.add(still.error.reason)
    assert errors and errors <= {"corrupt_frame", "frame_not_delivered"}


def test_sound_files_lose_no_frame_to_the_count(clips):
    for path in clips.values():
        stills = list(decode_stills(path, plan_clip(FrameIndex.from_row(probe(path)), every_s=0.001)))
        assert not [still.error for still in stills if still.error]
