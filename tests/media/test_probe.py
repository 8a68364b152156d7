"""What is learned of a file without believing its header, and the reason each bad file gets."""

from fractions import Fraction

import av
import pytest

from curation.schemas import CLIPS
from media.container import FORMATS
from media.errors import MediaError
from media.index import FrameIndex
from media.probe import probe
from tests.media import media_fixtures as make

REASONS = [
    "absent_file",
    "not_a_file",
    "empty_file",
    "not_a_video",
    "not_a_video, playlist",
    "no_moov",
    "truncated",
    "truncated, in moov",
    "no_video_stream",
    "no_keyframes",
]


@pytest.mark.parametrize("case", REASONS)
def test_each_bad_file_gets_its_reason(bad_files, case):
    with pytest.raises(MediaError) as caught:
        probe(bad_files[case])
    assert caught.value.reason == case.split(",")[0]
    assert bad_files[case].name in caught.value.detail


def test_an_unreadable_file_gets_its_reason(bad_files):
    if "unreadable" not in bad_files:
        pytest.skip("the superuser can read every file")
    with pytest.raises(MediaError) as caught:
        probe(bad_files["unreadable"])
    assert caught.value.reason == "unreadable"


def test_no_demuxer_that_opens_other_files_is_allowed():
    assert not {"hls", "concat", "image2", "lavfi", "dash", "sdp", "rtsp"} & set(FORMATS.split(","))


def test_every_good_file_gives_exactly_the_container_columns(clips):
    columns = {"duration_s", "fps", "codec", "pix_fmt", "width", "height", "rotation", "frame_count"}
    columns |= {"time_base_num", "time_base_den", "pts_runs", "keyframe_pts", "counted"}
    columns |= {"field_order", "interlaced", "transfer"}
    assert columns <= set(CLIPS.names)
    for path in clips.values():
        assert probe(path).keys() == columns


def test_times_are_those_of_a_full_decode(clips):
    for name, path in clips.items():
        assert FrameIndex.from_row(probe(path)).pts.tolist() == sorted(make.full_decode(path)), name


def test_ordinary_facts(clips):
    facts = probe(clips["plain"])
    assert (facts["width"], facts["height"], facts["rotation"], facts["frame_count"]) == (160, 96, 0, 48)
    assert (facts["codec"], facts["pix_fmt"]) == ("h264", "yuv420p")
    assert facts["fps"] == pytest.approx(24) and facts["duration_s"] == pytest.approx(2)
    assert len(facts["pts_runs"]) == 3


def test_a_variable_rate_is_kept_exactly_and_its_mean_is_the_fps(clips):
    facts = probe(clips["vfr"])
    index = FrameIndex.from_row(facts)
    assert [index.exact_seconds(p) for p in index.pts] == [
        Fraction(t, 90) for t in (0, 1, 2, 7, 8, 30, 31, 90, 91, 200)
    ]
    assert facts["fps"] == pytest.approx(9 / (200 / 90))


def test_a_rotated_clip_is_measured_upright(clips):
    facts = probe(clips["rotated"])
    assert (facts["rotation"], facts["width"], facts["height"]) == (90, 96, 160)


def test_non_square_pixels_widen_the_picture(clips):
    assert (probe(clips["wide_pixels"])["width"], probe(clips["wide_pixels"])["height"]) == (213, 96)


def test_ten_bit_and_one_frame_and_hard_names_are_ordinary(clips):
    assert probe(clips["ten_bit"])["pix_fmt"] == "yuv420p10le"
    assert probe(clips["one_frame"])["frame_count"] == 1 and probe(clips["one_frame"])["duration_s"] > 0
    assert probe(clips["named"])["frame_count"] == 6


def test_frames_hidden_by_an_edit_list_are_not_counted_but_their_keyframe_is_kept(clips):
    facts = probe(clips["edit_list"])
    assert facts["frame_count"] == 43 and facts["keyframe_pts"][0] < 0


def test_a_clip_that_starts_late_counts_seconds_from_its_first_frame(clips):
    index = FrameIndex.from_row(probe(clips["late_start"]))
    assert index.pts[0] * index.time_base == 10 and index.seconds(index.pts[0]) == 0


def test_frames_before_the_first_keyframe_are_no_frames(clips, tmp_path):
    seen = []
    path = make.remux(
        clips["transport_stream"], tmp_path / "cut.ts", keep=lambda packet: seen.append(0) or len(seen) > 5
    )
    index = FrameIndex.from_row(probe(path))
    assert len(index.pts) == 36 and index.pts[0] == index.keyframe_pts[0]


def test_a_lying_frame_count_is_not_believed(clips, tmp_path):
    frames = (48).to_bytes(4, "little")
    data = clips["mpeg4_avi"].read_bytes()
    at = data.index(b"strh") + 8 + 32  # dwLength of the stream header
    assert data[at : at + 4] == frames
    liar = tmp_path / "liar.avi"
    liar.write_bytes(data[:at] + (9000).to_bytes(4, "little") + data[at + 4 :])
    with av.open(str(liar)) as container:
        assert container.streams.video[0].frames == 9000
    assert probe(liar)["frame_count"] == 48


def test_huge_dimensions_are_refused_before_a_picture_is_decoded(clips, tmp_path):
    with pytest.raises(MediaError) as caught:
        probe(clips["plain"], max_pixels=160 * 96 - 1)
    assert caught.value.reason == "too_large" and "160x96" in caught.value.detail
    raw = make.write_video(tmp_path / "raw.avi", codec="rawvideo", frames=2, size=(144, 80))
    size, bomb = (n.to_bytes(4, "little") for n in (144, 9_000))
    huge = make.patched(raw, tmp_path / "huge.avi", size + (80).to_bytes(4, "little"), bomb + bomb)
    with pytest.raises(MediaError) as caught:
        probe(huge)
    assert caught.value.reason == "too_large"


def test_a_bare_bitstream_has_the_times_of_its_frame_rate_whatever_its_name(clips, tmp_path):
    bare = make.remux(clips["transport_stream"], tmp_path / "bare.h264").rename(tmp_path / "bare.mp4")
    facts = probe(bare)
    assert facts["counted"] and facts["frame_count"] == 48
    assert facts["fps"] == pytest.approx(24) and facts["duration_s"] == pytest.approx(2)


def test_a_damaged_first_keyframe_is_left_for_the_extraction_to_find(clips, tmp_path):
    facts = probe(make.damaged(clips["plain"], tmp_path / "damaged.mp4", 0))
    assert facts["frame_count"] == 48
