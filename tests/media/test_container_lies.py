"""What containers say wrongly about keyframes, times and streams costs no frame and gives no wrong picture.

The oracle is a plain decode of the whole file: its n-th frame is the one with the n-th smallest time.
"""

from pathlib import Path

import av
import numpy as np
import pytest

from media.decode import decode_stills
from media.display import Painter
from media.index import FrameIndex
from media.plan import Plan, Run, Wanted, plan_clip
from media.probe import probe
from tests.media import media_fixtures as make
from tests.media.conftest import has_encoder

pytestmark = pytest.mark.slow

# codec -> encoder's options for (groups closed, with B-frames) and others that are hard on a reader
CODECS = {
    "libx264": {
        "b_frames": {"bf": "3", "b-pyramid": "normal"},
        "open": {"bf": "3", "x264-params": "open-gop=1:keyint=12:bframes=3"},
        "refresh": {"x264-params": "intra-refresh=1:keyint=12:bframes=0"},
        "no_b": {"bf": "0"},
    },
    "mpeg4": {"b_frames": {"bf": "2"}, "no_b": {"bf": "0"}},
    "mpeg2video": {"b_frames": {"bf": "2"}, "no_b": {"bf": "0"}},
    "libx265": {"b_frames": {"x265-params": "log-level=none:keyint=12:bframes=3:pools=1:frame-threads=1"}},
    "libvpx-vp9": {"altref": {"cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "12"}},
}
CONTAINERS = {
    "mp4": {"libx264", "mpeg4", "libx265", "libvpx-vp9"},
    "mkv": set(CODECS),
    "avi": {"libx264", "mpeg4", "mpeg2video"},
    "ts": {"libx264", "mpeg2video", "libx265"},
}
CASES = [
    (container, codec, gop)
    for container, codecs in CONTAINERS.items()
    for codec in sorted(codecs)
    for gop in CODECS[codec]
    if not (container == "mkv" and codec == "mpeg4" and gop == "b_frames")  # its muxer wants times that FFmpeg has not
]


def remuxed(source: Path, target: Path, lying: bool) -> Path:
    """Copies the packets, each of them marked as a keyframe where `lying`."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.size:
                packet.is_keyframe = packet.is_keyframe or lying
                packet.stream = stream
                new.mux(packet)
    return target


def shown(path: Path) -> list[np.ndarray]:
    """Every frame of the file, in the order in which a plain pass shows them."""
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        stream.thread_count, stream.thread_type = 1, "NONE"
        painter = Painter(1280)
        return [painter.paint(frame, stream.sample_aspect_ratio) for frame in container.decode(stream)]


def assert_right(path: Path, mode: str, count: int = 8) -> None:
    index = FrameIndex.from_row(probe(path))
    pictures = shown(path)
    late = len(pictures) - len(index.pts)  # frames before the first keyframe are not in the index
    plan = plan_clip(index, count=count, mode=mode)
    stills = list(decode_stills(path, plan))
    assert sorted(still.pts for still in stills) == [frame.pts for frame in plan.wanted]
    assert [(still.pts, str(still.error)) for still in stills if still.error] == []
    for still in stills:
        number = int(np.searchsorted(index.pts, still.pts)) + late
        assert np.array_equal(still.picture, pictures[number]), f"frame {number} of {path.name} is another"


@pytest.mark.parametrize("lying", [False, True], ids=["flags", "all_flagged"])
@pytest.mark.parametrize(("container", "codec", "gop"), CASES, ids="-".join)
def test_the_frame_is_that_of_a_plain_pass(tmp_path, container, codec, gop, lying):
    if not has_encoder(codec):
        pytest.skip(f"this build of FFmpeg has no {codec}")
    honest = make.write_video(tmp_path / f"honest.{container}", codec=codec, options=CODECS[codec][gop], frames=40)
    path = remuxed(honest, tmp_path / f"lying.{container}", lying=True) if lying else honest
    for mode in ("exact", "keyframe"):
        assert_right(path, mode)


@pytest.mark.parametrize("mode", ["auto", "keyframe", "exact"])
def test_the_hard_clips_are_right(shared_data, mode):
    paths = [path for path in sorted((shared_data / "hard_clips").iterdir()) if path.suffix != ".md"]
    assert len(paths) >= 5
    for path in paths:
        assert_right(path, mode)


def test_a_frame_that_is_hard_to_reach_is_given_up_in_time_and_the_others_are_there(tmp_path):
    path = make.write_video(tmp_path / "a.mp4", frames=30)
    wanted = (Wanted(0, 0.0, 0.0), Wanted(700, 0.06, 0.06))  # 512 and 1024 exist
    plan = Plan("exact", wanted, (Run(0, (0, 700)),))
    stills = list(decode_stills(path, plan, patience_s=1e-9))
    assert [still.error and still.error.reason for still in stills] == [None, "timeout"]
    assert "raise timeout_s" in stills[1].error.detail


def test_the_stream_that_players_show_is_taken(tmp_path):
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for side in (64, 128):
            stream = container.add_stream("libx264", rate=24)
            stream.width = stream.height = side
            streams.append(stream)
        streams[0].disposition = av.stream.Disposition(0)
        streams[1].disposition = av.stream.Disposition.default
        for number in range(12):
            for stream in streams:
                picture = make.picture(number, stream.width, stream.height)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        for stream in streams:
            container.mux(stream.encode())
    assert probe(path)["width"] == 128
    assert_right(path, "exact", count=3)


def test_a_colour_matrix_that_nobody_knows_costs_its_frames_and_says_so(tmp_path, monkeypatch):
    path = make.write_video(tmp_path / "a.mp4", frames=24)
    paint, calls = Painter.paint, []

    def painted(self, frame, aspect):
        calls.append(frame.pts)
        if len(calls) == 2:
            raise av.error.OSError(95, "Operation not supported")
        return paint(self, frame, aspect)

    monkeypatch.setattr(Painter, "paint", painted)
    stills = list(decode_stills(path, plan_clip(FrameIndex.from_row(probe(path)), count=4, mode="exact")))
    assert [still.error.reason if still.error else "" for still in stills] == ["", "unsupported_colour", "", ""]
    assert "yuv420p" in stills[1].error.detail


def test_10_bit_chroma_is_close_to_the_picture_that_was_encoded(tmp_path):
    """BICUBIC at equal size: BILINEAR loses 2.5 dB here."""
    path = make.write_video(
        tmp_path / "ten.mkv", frames=4, codec="ffv1", pix_fmt="yuv420p10le", size=(320, 192), draw=smooth
    )
    errors = [picture.astype(float) - smooth(number, 320, 192) for number, picture in enumerate(shown(path))]
    decibels = [10 * np.log10(255**2 / np.mean(error**2)) for error in errors]
    assert min(decibels) > 40


def smooth(number: int, width: int, height: int) -> np.ndarray:
    """Coloured waves, uint8 [height, width, 3]."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [128 + 90 * np.sin((x * a + y * b + number) / 17) for a, b in ((1, 0.5), (0.7, -1), (-0.4, 1))]
    return np.stack(waves, -1).clip(0, 255).astype(np.uint8)
