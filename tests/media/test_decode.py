"""A planned frame is the frame of a full decode, bit for bit, whatever was left out to reach it; colours are right."""

from fractions import Fraction

import numpy as np
import pytest

import media.decode as decode
from media import reader
from media.container import opened
from media.decode import decode_stills
from media.display import Orientation, display_size
from media.disposable import disposable
from media.index import FrameIndex
from media.plan import Plan, Run, Wanted, plan_clip
from media.probe import probe
from tests.media import media_fixtures as make

pytestmark = pytest.mark.slow

# Targets spread so that runs start, continue and end everywhere: thirds, every frame, and few.
POLICIES = [{"count": 3}, {"count": 8}, {"count": 17}, {"every_s": 0.001}, {"count": 4, "mode": "keyframe"}]


def index_of(path):
    return FrameIndex.from_row(probe(path))


def assert_same_as_full_decode(path, plan):
    full = make.full_decode(path)
    stills = list(decode_stills(path, plan))
    assert [still.pts for still in stills if still.error] == []
    assert sorted(still.pts for still in stills) == [frame.pts for frame in plan.wanted]
    for still in stills:
        assert np.array_equal(still.picture, full[still.pts]), f"{path.name}: the frame at {still.pts} differs"


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_every_planned_frame_equals_that_of_a_full_decode(clips, policy):
    for path in clips.values():
        assert_same_as_full_decode(path, plan_clip(index_of(path), **policy))


@pytest.mark.parametrize("mode", ["exact", "keyframe"])
def test_real_clips_equal_their_full_decode(shared_data, mode):
    paths = sorted((shared_data / "scene_clips").rglob("*.mp4"))
    assert paths
    for path in paths:
        assert_same_as_full_decode(path, plan_clip(index_of(path), mode=mode))


def fed_packets(monkeypatch):
    """Records the packets of every run as they go to the decoder."""
    fed, packets = [], reader.Reader.packets

    def recorded(self, start):
        for packet in packets(self, start):
            fed.append(packet.pts)
            yield packet

    monkeypatch.setattr(reader.Reader, "packets", recorded)
    return fed


def test_keyframe_mode_feeds_nothing_but_keyframes(clips, monkeypatch):
    fed = fed_packets(monkeypatch)
    index = index_of(clips["plain"])
    plan = plan_clip(index, count=4, mode="keyframe")
    assert plan.mode == "keyframe"
    list(decode_stills(clips["plain"], plan))
    assert fed == index.keyframe_pts.tolist()


def test_decoding_stops_with_the_packet_of_the_last_wanted_frame(clips, monkeypatch):
    fed = fed_packets(monkeypatch)
    target = int(index_of(clips["one_keyframe"]).pts[20])
    list(decode_stills(clips["one_keyframe"], Plan("exact", (Wanted(target, 0.0, 0.0),), (Run(0, (target,)),))))
    assert fed[-1] == target and len(fed) < 30


@pytest.mark.parametrize("name", ["one_keyframe", "transport_stream", "hevc"])
def test_leaving_out_what_nothing_refers_to_leaves_every_other_frame_as_it_is(clips, name):
    if name not in clips:
        pytest.skip("this build of FFmpeg has no HEVC encoder")
    full = make.full_decode(clips[name])
    with opened(clips[name]) as (container, stream):
        unused = disposable(stream)
        packets = list(container.demux(stream))
        left_out = {packet.pts for packet in packets if packet.size and unused(packet)}
        painter = decode.Painter()
        for packet in packets:
            if packet.pts is None or packet.pts not in left_out:
                for frame in stream.codec_context.decode(packet if packet.size else None):
                    assert np.array_equal(painter.paint(frame, None), full.pop(frame.pts))
    assert full.keys() == left_out and len(left_out) >= 12


def test_hevc_skips_only_when_its_header_promises_one_temporal_layer(clips):
    if "hevc" not in clips:
        pytest.skip("this build of FFmpeg has no HEVC encoder")
    with opened(clips["hevc"]) as (_, stream):
        assert disposable(stream) is not None
        header = bytearray(stream.codec_context.extradata)
    header[21] = (header[21] & ~0x38) | (3 << 3)

    class Layered:
        class codec_context:
            extradata = bytes(header)

            class codec:
                canonical_name = "hevc"

    assert disposable(Layered) is None


def test_a_frame_lost_by_the_shortcuts_is_found_by_the_careful_attempt(clips, monkeypatch):
    frames, tries = reader.Reader.frames, []

    def lossy(self, packets, attempt):
        tries.append(attempt.shortcuts)
        yield from (() if attempt.shortcuts else frames(self, packets, attempt))

    monkeypatch.setattr(reader.Reader, "frames", lossy)
    assert_same_as_full_decode(clips["plain"], plan_clip(index_of(clips["plain"]), count=5))
    assert tries == [True, False] * (len(tries) // 2)


def test_a_frame_that_is_not_there_is_an_error_of_that_frame_never_its_neighbour(clips):
    wanted = (Wanted(0, 0.0, 0.0), Wanted(700, 0.06, 0.06))  # 512 and 1024 exist
    stills = list(decode_stills(clips["plain"], Plan("exact", wanted, (Run(0, (0, 700)),))))
    assert [(still.pts, still.error and still.error.reason) for still in stills] == [
        (0, None),
        (700, "frame_not_delivered"),
    ]


def test_a_run_from_a_keyframe_that_is_not_there_starts_at_the_one_before(clips):
    wanted = (Wanted(6144, 0.5, 0.5),)
    assert_same_as_full_decode(clips["plain"], Plan("keyframe", wanted, (Run(5000, (6144,)),)))


def test_a_frame_that_is_not_there_is_an_error(clips):
    wanted = (Wanted(6145, 0.5, 0.5),)
    (still,) = decode_stills(clips["plain"], Plan("exact", wanted, (Run(0, (6145,)),)))
    assert still.error.reason == "frame_not_delivered"


@pytest.mark.parametrize("mode", ["exact", "keyframe"])
def test_damage_costs_its_own_group_of_pictures_and_no_other(clips, tmp_path, mode):
    index = index_of(clips["plain"])
    order = sorted(index.keyframe_pts.tolist())
    path = make.damaged(clips["plain"], tmp_path / "damaged.mp4", 12)  # the second keyframe
    stills = {still.pts: still for still in decode_stills(path, plan_clip(index, count=4, mode=mode))}
    full = make.full_decode(clips["plain"])
    assert len(stills) == 4
    for pts, still in stills.items():
        if order[1] <= pts < order[2]:
            assert still.error.reason == "corrupt_frame"
        else:
            assert np.array_equal(still.picture, full[pts])


def marked(number, width, height):
    """Blue top left, green top right, red bottom left, white bottom right."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (255, 0, 0)
    image[: height // 2, width // 2 :] = (0, 255, 0)
    image[height // 2 :, : width // 2] = (0, 0, 255)
    image[height // 2 :, width // 2 :] = 255
    return image


def first_still(path, **options):
    (still,) = decode_stills(path, plan_clip(index_of(path), count=1), **options)
    assert still.error is None
    return still.picture


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_all_eight_orientations_come_out_upright(tmp_path, rotation, mirrored):
    path = make.write_video(
        tmp_path / "turned.mp4", frames=1, draw=marked, rotation=rotation, mirrored=mirrored, size=(64, 32)
    )
    upright = np.rot90(marked(0, 64, 32), rotation // 90)
    upright = upright[:, ::-1] if mirrored else upright
    still = first_still(path)
    assert still.shape == upright.shape and still.flags.c_contiguous
    assert np.abs(still.astype(int) - upright)[4:-4:8, 4:-4:8].max() < 12
    assert (probe(path)["width"], probe(path)["height"]) == upright.shape[1::-1]


# AVCOL_SPC_BT709 and AVCOL_SPC_SMPTE170M, and what an untagged clip of each size must be taken for.
@pytest.mark.parametrize(
    ("size", "colorspace", "luma"),
    [
        ((160, 96), 1, "709"),
        ((160, 96), 6, "601"),
        ((160, 96), None, "601"),
        ((1280, 720), None, "709"),
        ((1280, 720), 6, "601"),
    ],
)
def test_known_colours_come_back_by_the_tagged_matrix_or_the_customary_one(tmp_path, size, colorspace, luma):
    import av

    y, u, v = {"709": (63, 102, 240), "601": (81, 90, 240)}[luma]  # pure red in limited range
    width, height = size
    path = tmp_path / "red.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if colorspace is not None:
            stream.codec_context.colorspace = colorspace
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane, value in zip(frame.planes, (y, u, v), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        if colorspace is not None:
            frame.colorspace = colorspace
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    centre = first_still(path)[height // 2, width // 2].astype(int)
    assert np.abs(centre - (0, 0, 255)).max() <= 4, centre


def test_ten_bits_become_eight_without_a_shift_in_brightness(clips):
    eight, ten = first_still(clips["plain"]), first_still(clips["ten_bit"])
    assert eight.dtype == ten.dtype == np.uint8
    assert abs(eight.mean() - ten.mean()) < 1


def test_pictures_are_scaled_down_to_the_limit_and_never_up(clips):
    assert first_still(clips["plain"], max_side_px=80).shape == (48, 80, 3)
    assert first_still(clips["plain"], max_side_px=5000).shape == (96, 160, 3)
    assert first_still(clips["rotated"], max_side_px=80).shape == (80, 48, 3)
    assert first_still(clips["wide_pixels"]).shape == (96, 213, 3)


def test_a_mad_pixel_aspect_is_ignored():
    assert display_size(640, 360, Fraction(1000, 1), Orientation()) == (640, 360)
    assert display_size(640, 360, Fraction(1, 2), Orientation(transpose=True)) == (360, 320)
    assert display_size(10_000, 1, None, Orientation(), 100) == (100, 1)
