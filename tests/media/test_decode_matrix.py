"""Containers x codecs x structures: every planned frame is the one that a plain decode of the whole file shows there.

The oracle knows nothing of times: it numbers the frames as they come out of the decoder.
"""

from fractions import Fraction

import numpy as np
import pytest

from media.container import opened, pixel_aspect
from media.decode import decode_stills
from media.display import Painter
from media.index import FrameIndex
from media.plan import plan_clip
from media.probe import probe
from tests.media import faults
from tests.media import media_fixtures as make
from tests.media.conftest import has_encoder

pytestmark = pytest.mark.slow

POLICIES = [{"count": 8}, {"count": 8, "mode": "keyframe"}, {"count": 3, "mode": "keyframe"}, {"every_s": 0.001}]

X264 = {
    "pyramid": {"bf": "3", "b-pyramid": "normal", "refs": "4"},
    "no_b": {"bf": "0"},
    "open_gop": {"bf": "3", "x264-params": "open-gop=1:keyint=12:bframes=3"},
    "refresh": {"x264-params": "intra-refresh=1:keyint=12:bframes=0"},
    "one_gop": {"bf": "3", "x264-params": "keyint=1000:bframes=3"},
}
X265 = "log-level=none:keyint=12:bframes=4:b-pyramid=1:pools=1:frame-threads=1"
B2 = {"bf": "2"}


def cases():
    for name, options in X264.items():
        for form in ("mp4", "mov", "mkv", "avi", "ts", "flv", "asf", "mpg", "nut", "h264"):
            yield f"h264-{name}.{form}", {"options": options}
    for form in ("mp4", "mkv", "ts", "hevc"):
        for name, extra in (("closed", ""), ("open", ":open-gop=1")):
            yield f"hevc-{name}.{form}", {"codec": "libx265", "options": {"x265-params": X265 + extra}}
    for form in ("avi", "mp4", "mkv", "ts", "mpg", "mov"):
        yield f"mpeg4-b.{form}", {"codec": "mpeg4", "options": B2}
        yield f"mpeg4-p.{form}", {"codec": "mpeg4", "options": {"bf": "0"}}
    for form in ("mpg", "ts", "mkv", "avi", "mxf", "m2v", "vob"):
        yield f"mpeg2-b.{form}", {"codec": "mpeg2video", "options": B2}
    for codec, form in (
        ("msmpeg4", "avi"), ("wmv1", "asf"), ("wmv2", "avi"), ("flv", "flv"), ("h263p", "avi"), ("mpeg1video", "mpg"),
        ("libvpx", "webm"), ("libvpx", "avi"), ("libvpx-vp9", "webm"), ("libvpx-vp9", "mp4"), ("libvpx-vp9", "ivf"),
        ("libsvtav1", "mp4"), ("libsvtav1", "webm"), ("ffv1", "mkv"), ("snow", "avi"), ("rv20", "rm"),
        ("rawvideo", "nut"), ("utvideo", "avi"), ("asv1", "avi"),
    ):  # fmt: skip
        yield f"{codec}.{form}", {"codec": codec}
    for codec, form, pix_fmt in (
        ("mjpeg", "avi", "yuvj420p"), ("mjpeg", "mov", "yuvj420p"), ("prores", "mov", "yuv422p10le"),
        ("cfhd", "mov", "yuv422p10le"), ("gif", "gif", "rgb8"), ("qtrle", "mov", "rgb24"), ("png", "mov", "rgb24"),
        ("cinepak", "avi", "rgb24"), ("rpza", "mov", "rgb555le"), ("msvideo1", "avi", "rgb555le"),
        ("zmbv", "avi", "bgr0"), ("flashsv", "flv", "bgr24"), ("svq1", "mov", "yuv410p"),
        ("wrapped_avframe", "y4m", "yuv420p"),
    ):  # fmt: skip
        yield f"{codec}.{form}", {"codec": codec, "pix_fmt": pix_fmt}


def shown(path):
    """Every frame of one plain pass, in order: (its own time, its picture)."""
    with opened(path) as (container, stream):
        painter = Painter()
        return [(frame.pts, painter.paint(frame, pixel_aspect(stream))) for frame in container.decode(stream)]


def assert_as_shown(path, policies=POLICIES):
    """Returns the index and the frames of the plain pass."""
    index, full = FrameIndex.from_row(probe(path)), shown(path)
    assert len(index.pts) == len(full), path.name
    for policy in policies:
        plan = plan_clip(index, **policy)
        stills = list(decode_stills(path, plan))
        assert sorted(still.pts for still in stills) == [frame.pts for frame in plan.wanted]
        for still in stills:
            assert still.error is None, f"{path.name} {policy}: {still.error}"
            place = int(np.searchsorted(index.pts, still.pts))
            assert np.array_equal(still.picture, full[place][1]), f"{path.name} {policy}: the frame at {still.pts}"
    return index, full


@pytest.mark.parametrize(("name", "how"), cases(), ids=lambda value: value if isinstance(value, str) else "")
def test_the_matrix(tmp_path, name, how):
    if not has_encoder(how.get("codec", "libx264")):
        pytest.skip(f"this build of FFmpeg has no encoder {how['codec']}")
    path = make.write_video(tmp_path / name, frames=48, size=(112, 80), **how)
    index, full = assert_as_shown(path)
    times = [time for time, _ in full]
    if not index.counted:
        assert index.pts.tolist() == times
    seconds = [index.seconds(pts) for pts in index.pts]
    rounding = 0.0051 if name.endswith(".gif") else 0.0021  # GIF counts hundredths, others milliseconds
    assert seconds == pytest.approx([number / 24 for number in range(48)], abs=rounding)


@pytest.mark.parametrize("options", [{"movflags": "frag_keyframe+empty_moov"}, {"movflags": "faststart"}], ids=str)
@pytest.mark.parametrize("shift", [0, -5 * 512, 10 * 12288])
def test_fragments_fast_starts_and_edit_lists(clips, tmp_path, options, shift):
    path = make.remux(clips["plain"], tmp_path / "remuxed.mp4", shift=shift, container_options=options)
    index = FrameIndex.from_row(probe(path))
    assert len(index.pts) in (43, 48)
    assert_as_shown(path)


@pytest.mark.parametrize(
    ("codec", "form", "options"),
    [
        ("libx264", "h264", X264["pyramid"]),
        ("libx265", "hevc", {"x265-params": X265}),
        ("mpeg4", "m4v", B2),
        ("mpeg2video", "mpeg2video", B2),
    ],
)
def test_bare_bitstreams_whatever_their_name(tmp_path, codec, form, options):
    if not has_encoder(codec):
        pytest.skip(f"this build of FFmpeg has no encoder {codec}")
    wrapped = make.write_video(tmp_path / "wrapped.ts", codec=codec, options=options, size=(112, 80))
    bare = make.remux(wrapped, tmp_path / "bare", form=form).rename(tmp_path / "bare.mp4")
    index, _ = assert_as_shown(bare)
    assert index.counted and index.exact_seconds(index.pts[-1]) == Fraction(47, 24)


def test_a_real_file_with_a_colour_matrix_that_nobody_knows(tmp_path):
    path = make.write_video(tmp_path / "a.mp4", options={"x264-params": "colormatrix=YCgCo"})
    plan = plan_clip(FrameIndex.from_row(probe(path)), count=8)
    assert {still.error.reason for still in decode_stills(path, plan)} == {"unsupported_colour"}


FAULTS = {
    "mpeg4 without stss": ("mp4", {"codec": "mpeg4", "options": B2}, lambda a, b: faults.without_box(a, b, b"stss")),
    "hevc without stss": (
        "mp4",
        {"codec": "libx265", "options": {"x265-params": X265}},
        lambda a, b: faults.without_box(a, b, b"stss"),
    ),
    "h264 without stss": ("mp4", {"options": X264["pyramid"]}, lambda a, b: faults.without_box(a, b, b"stss")),
    "vp9 without stss": ("mp4", {"codec": "libvpx-vp9"}, lambda a, b: faults.without_box(a, b, b"stss")),
    "h264 without ctts": ("mp4", {"options": X264["pyramid"]}, lambda a, b: faults.without_box(a, b, b"ctts")),
    "hevc without ctts": (
        "mp4",
        {"codec": "libx265", "options": {"x265-params": X265}},
        lambda a, b: faults.without_box(a, b, b"ctts"),
    ),
    "mpeg4 without ctts": ("mp4", {"codec": "mpeg4", "options": B2}, lambda a, b: faults.without_box(a, b, b"ctts")),
    "msmpeg4 without idx1": ("avi", {"codec": "msmpeg4"}, faults.without_index),
    "mpeg4 without idx1": ("avi", {"codec": "mpeg4", "options": B2}, faults.without_index),
    "h264 without idx1": ("avi", {"options": X264["pyramid"]}, faults.without_index),
    "mpeg2 without idx1": ("avi", {"codec": "mpeg2video", "options": B2}, faults.without_index),
    "wmv2 without idx1": ("avi", {"codec": "wmv2"}, faults.without_index),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_a_writer_left_out_costs_no_frame(tmp_path, name):
    form, how, damage = FAULTS[name]
    if not has_encoder(how.get("codec", "libx264")):
        pytest.skip(f"this build of FFmpeg has no encoder {how['codec']}")
    whole = make.write_video(tmp_path / f"whole.{form}", frames=60, size=(112, 80), **how)
    assert_as_shown(damage(whole, tmp_path / f"faulty.{form}"))


@pytest.mark.parametrize(
    "name",
    [
        "packed_bframes_xvid.avi",
        "nostss_mpeg4.mp4",
        "intra_refresh_32s.mp4",
        "h264_bframes.avi",
        "two_video_streams.mkv",
    ],
)
def test_files_that_public_reports_describe(shared_data, name):
    path = shared_data / "hard_clips" / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    assert_as_shown(path)
    if name == "two_video_streams.mkv":
        assert (probe(path)["width"], probe(path)["height"]) == (160, 90)
