"""Files joined from parts that each count time anew: no frame is lost, none has the time of another.

The oracle is a plain decode of the whole file; the parts are the beginning, the middle and the end of one film.
"""

from fractions import Fraction

import av
import numpy as np
import pytest

from media.decode import decode_stills
from media.index import FrameIndex
from media.plan import plan_clip
from media.probe import probe
from tests.media import media_fixtures as make
from tests.media.conftest import has_encoder
from tests.media.test_decode_matrix import X265, assert_as_shown, shown

X264 = {"bf": "3", "b-pyramid": "normal"}
# Every structure that a part may end in; parts of other lengths, the longest last, so that times overlap in all ways.
KINDS = [
    ("ts", "libx264", X264),
    ("ts", "libx264", {"bf": "3", "x264-params": "open-gop=1:keyint=12:bframes=3"}),
    ("ts", "libx264", {"bf": "0"}),
    ("ts", "libx265", {"x265-params": X265}),
    ("ts", "mpeg2video", {"bf": "2"}),
    ("mpg", "mpeg2video", {"bf": "2"}),
    ("vob", "mpeg2video", {"bf": "2"}),
]


def joined(tmp_path, form, lengths, codec="libx264", options=None, sizes=None):
    begin, whole = 0, tmp_path / f"joined.{form}"
    with whole.open("wb") as handle:
        for number, length in enumerate(lengths):
            part = make.write_video(
                tmp_path / f"part{number}.{form}",
                frames=length,
                size=sizes[number] if sizes else (112, 80),
                codec=codec,
                options=options,
                draw=lambda n, w, h, begin=begin: make.picture(begin + n, w, h),
            )
            handle.write(part.read_bytes())
            begin += length
    return whole


@pytest.mark.slow
@pytest.mark.parametrize("lengths", [(36, 36, 36), (24, 60), (60, 24)], ids=str)
@pytest.mark.parametrize(("form", "codec", "options"), KINDS)
def test_every_frame_of_every_part_is_there_at_its_time(tmp_path, form, codec, options, lengths):
    if not has_encoder(codec):
        pytest.skip(f"this build of FFmpeg has no encoder {codec}")
    index, full = assert_as_shown(joined(tmp_path, form, lengths, codec, options))
    assert len(full) == sum(lengths)
    seconds = [index.seconds(pts) for pts in index.pts]
    # Where a pack (PS) has no time, FFmpeg guesses it by what follows, the next part.
    guessed = 1 / 24 if form != "ts" else 0
    assert seconds == pytest.approx([number / 24 for number in range(len(full))], abs=0.0021 + guessed)


def test_parts_of_other_sizes_keep_their_pictures(tmp_path):
    _, full = assert_as_shown(joined(tmp_path, "ts", (24, 24), options=X264, sizes=[(112, 80), (160, 96)]))
    assert [picture.shape for _, picture in full] == 24 * [(80, 112, 3)] + 24 * [(96, 160, 3)]
    assert probe(tmp_path / "joined.ts")["duration_s"] == pytest.approx(2)


def test_a_leap_between_two_recordings_is_no_time_of_the_film(tmp_path):
    source, target = make.write_video(tmp_path / "a.ts", options={"bf": "0"}), tmp_path / "leap.ts"
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for number, packet in enumerate(packet for packet in old.demux(video=0) if packet.size):
            leap = 90_000 * 1000 * (number >= 24)
            packet.pts, packet.dts, packet.stream = packet.pts + leap, packet.dts + leap, stream
            new.mux(packet)
    index, _ = assert_as_shown(target)
    assert index.exact_seconds(index.pts[-1]) == Fraction(47, 24)


@pytest.mark.parametrize("form", ["ts", "mpg"])
def test_stills_at_long_intervals_are_no_leaps(tmp_path, form):
    path = make.write_video(tmp_path / f"slow.{form}", frames=12, pts=lambda n: 480 * n, options={"bf": "0"})
    index = FrameIndex.from_row(probe(path))
    assert [index.seconds(pts) for pts in index.pts] == pytest.approx([20 * n for n in range(12)], abs=0.01)


@pytest.mark.parametrize("form", ["mkv", "flv", "ts", "mov", "nut"])
def test_b_frames_that_begin_late_join_nothing(tmp_path, form):
    """FFmpeg makes up times of decoding, and learns late how long a decoder waits."""
    path = make.write_video(tmp_path / f"late.{form}", frames=90, time_base=Fraction(1, 2), draw=noise_then_waves)
    index, _ = assert_as_shown(path, [{"count": 8}])
    assert not index.counted
    assert index.exact_seconds(index.pts[-1]) == pytest.approx(44.5, abs=0.002)


def noise_then_waves(number: int, width: int, height: int):
    """x264 takes no B-frames for pictures that have nothing in common."""
    return make.picture(number * 1000 if number < 60 else number, width, height)


@pytest.mark.slow
@pytest.mark.parametrize("begins", [3, 7, 12])
@pytest.mark.parametrize(("codec", "options"), [kind[1:] for kind in KINDS if kind[0] == "ts"])
def test_a_part_that_begins_anywhere_begins_at_its_first_keyframe(tmp_path, codec, options, begins):
    """A plain pass shows pictures there that lean on another part, and drops sound ones."""
    if not has_encoder(codec):
        pytest.skip(f"this build of FFmpeg has no encoder {codec}")
    whole = joined(tmp_path, "ts", (36, 48), codec, options)
    parts = [[picture for _, picture in shown(tmp_path / f"part{number}.ts")] for number in (0, 1)]
    with av.open(str(tmp_path / "part1.ts")) as container:
        packets = [(packet.pos, packet.is_keyframe) for packet in container.demux(video=0) if packet.size]
    data, first = (tmp_path / "part1.ts").read_bytes(), (tmp_path / "part0.ts").read_bytes()
    whole.write_bytes(first + data[: 3 * 188] + data[packets[begins][0] :])  # with the tables at its beginning
    index = FrameIndex.from_row(probe(whole))
    expected = parts[0] + parts[1][len(parts[0]) + len(parts[1]) - len(index.pts) :]
    assert 12 <= 84 - len(index.pts) <= 24
    stills = {still.pts: still for still in decode_stills(whole, plan_clip(index, every_s=0.001))}
    for place, pts in enumerate(index.pts.tolist()):
        assert stills[pts].error is None and np.array_equal(stills[pts].picture, expected[place]), place
    assert index.exact_seconds(index.pts[-1]) == Fraction(len(index.pts) - 1, 24)


def test_times_that_pass_the_largest_that_a_transport_stream_can_hold_join_nothing(tmp_path):
    source = make.write_video(tmp_path / "a.ts", options=X264)
    path = make.remux(source, tmp_path / "wraps.ts", shift=2**33 - 90_000, container_options={"copyts": "1"})
    index, _ = assert_as_shown(path)
    assert not index.counted and index.seconds(index.pts[-1]) == pytest.approx(47 / 24, abs=0.001)
