"""Videos as files: the microworld's judge sees what the model made; what is no whole video is told apart."""

import io
import json
import re
import tracemalloc

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.strips import strip_of
from evaluation.videos import FAILURES, BadVideo, enlargement, read_frames, write_video
from microworld.exact_judge import judge
from microworld.held_out import held_out_tasks
from microworld.render import render_batch
from storage.processes import ROOT


def smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Blots of colour that drift: [T, H, W, 3]."""
    count, height, width, _ = shape
    first = cv2.resize(rng.integers(0, 256, (4, 5, 3), np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.stack([np.roll(first, n, axis=1) for n in range(count)])


def microworld_videos(noise: float) -> tuple[np.ndarray, list[str]]:
    """Tasks done, half-done and not done at all, 32 pixels, with noise in grey levels."""
    tasks = held_out_tasks(6, 4, 0)
    videos = render_batch([one.scene for one in tasks], [one.task.program for one in tasks], 8, 32)
    videos = np.concatenate([videos, videos[:, [0, 0, 1, 1, 2, 2, 3, 3]], np.repeat(videos[:, :1], 8, axis=1)])
    drawn = videos + np.random.default_rng(0).normal(0, noise, videos.shape)
    return np.clip(drawn + 0.5, 0, 255).astype(np.uint8), [one.task.text for one in tasks] * 3


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0, 6])
def test_writing_changes_no_verdict_of_the_microworlds_judge(tmp_path, noise):
    videos, tasks = microworld_videos(noise)
    shifts = []
    for video, task in zip(videos, tasks, strict=True):
        write_video(tmp_path / "v.mp4", video, 4.0)
        read = read_frames(tmp_path / "v.mp4", 8)
        assert np.mean(read == video) > 0.98 and np.abs(read.astype(int) - video).max() <= 4
        before, after = judge(list(video), task), judge(list(read), task)
        for question in ("task", "agent", "consistency"):
            a, b = getattr(before, question), getattr(after, question)
            assert (a > 0) == (b > 0)
            shifts.append(abs(a - b))
    assert np.mean(shifts) < 0.02


@given(
    st.integers(1, 4), st.integers(2, 300), st.integers(2, 300), st.sampled_from([1.0, 4.0, 23.976, 24.0, 30.0, 59.94])
)
@settings(max_examples=12, deadline=None)
def test_frames_of_any_size_come_back_in_that_size(tmp_path_factory, count, height, width, fps):
    path = tmp_path_factory.mktemp("video") / "v.mp4"
    frames = smooth(np.random.default_rng(count), (count, height, width, 3))
    tall, wide = write_video(path, frames, fps)
    read = read_frames(path, count)
    assert read.shape == frames.shape and read.dtype == np.uint8
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.height, stream.width) == (tall, wide) and tall % 2 == wide % 2 == 0
        assert float(stream.average_rate) == pytest.approx(fps, rel=1e-4)
        assert stream.codec_context.pix_fmt == "yuv420p" and stream.codec_context.profile in ("High", "Main")


@pytest.mark.parametrize("shape", [(6, 480, 640, 3), (6, 255, 301, 3), (6, 64, 48, 3)])
def test_colours_come_back_without_a_shift(tmp_path, shape):
    frames = smooth(np.random.default_rng(1), shape)
    write_video(tmp_path / "v.mp4", frames, 24)
    error = read_frames(tmp_path / "v.mp4").astype(int) - frames
    assert np.abs(error).mean() < 2.5 and np.abs(error.mean(axis=(0, 1, 2))).max() < 0.4


def test_the_same_frames_give_the_same_bytes_and_no_other_file_is_left(tmp_path):
    frames = smooth(np.random.default_rng(2), (8, 64, 64, 3))
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, frames, 8)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    with pytest.raises(ValueError, match="uint8"):
        write_video(tmp_path / "c.mp4", frames.astype(np.float32), 8)
    for fps in (0, -1, float("nan"), 1000):
        with pytest.raises(ValueError, match="frames a second"):
            write_video(tmp_path / "c.mp4", frames, fps)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def kind_of(path, expected=None) -> str:
    with pytest.raises(BadVideo) as caught:
        read_frames(path, expected)
    assert path.name in str(caught.value)
    return caught.value.kind


def test_what_is_no_whole_video_is_told_apart(tmp_path):
    frames = smooth(np.random.default_rng(3), (12, 96, 96, 3))
    good = tmp_path / "good.mp4"
    write_video(good, frames, 8)
    data = good.read_bytes()
    found = {
        "missing": kind_of(tmp_path / "none.mp4"),
        "empty": kind_of(file(tmp_path / "empty.mp4", b"")),
        "text": kind_of(file(tmp_path / "text.mp4", b"no video at all " * 50)),
        "cut": kind_of(file(tmp_path / "cut.mp4", data[: len(data) // 2])),
        "no index": kind_of(file(tmp_path / "head.mp4", data[:40])),
        "sound": kind_of(file(tmp_path / "sound.mp4", sound())),
        "count": kind_of(good, 13),
    }
    assert found == {
        "missing": "missing",
        "empty": "empty",
        "text": "undecodable",
        "cut": "undecodable",
        "no index": "undecodable",
        "sound": "undecodable",
        "count": "wrong_frame_count",
    }
    assert set(found.values()) < set(FAILURES)


def test_a_file_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    import evaluation.videos

    write_video(tmp_path / "v.mp4", smooth(np.random.default_rng(3), (3, 64, 64, 3)), 8)
    monkeypatch.setattr(evaluation.videos, "MOST_BYTES", 2 * 256 * 256 * 3)
    assert kind_of(tmp_path / "v.mp4") == "too_large"


def test_the_frames_are_in_memory_once(tmp_path):
    frames = smooth(np.random.default_rng(4), (48, 256, 320, 3))
    write_video(tmp_path / "v.mp4", frames, 8)
    read_frames(tmp_path / "v.mp4")  # imports, and tables of the codec
    tracemalloc.start()
    read_frames(tmp_path / "v.mp4")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 1.5 * frames.nbytes


def file(path, data: bytes):
    path.write_bytes(data)
    return path


def sound() -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        tone.rate = 8000
        container.mux(stream.encode(tone))
        container.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "not json",
        "[]",
        "[" * 1000,
        '{"scale": 0, "height": 32, "width": 32}',
        '{"scale": 3, "height": 20, "width": 20}',
        '{"scale": 8, "height": 9999999, "width": 32}',
        '{"scale": true, "height": 64, "width": 64}',
        '{"scale": 1e9, "height": 64, "width": 64}',
        json.dumps({"scale": 1, "height": 64, "width": 64, "more": 1}),
    ],
)
def test_a_file_of_others_comes_back_in_its_own_size_whatever_it_says_of_itself(tmp_path, comment):
    frames = smooth(np.random.default_rng(4), (3, 64, 64, 3))
    with av.open(str(tmp_path / "v.mp4"), "w") as container:
        container.metadata["comment"] = comment
        stream = container.add_stream("libx264", rate=8)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    read = read_frames(tmp_path / "v.mp4", 3)
    assert read.shape == frames.shape and np.abs(read.astype(int) - frames).mean() < 6


def test_small_frames_are_enlarged_by_an_even_number():
    assert enlargement(32, 32) == 8 and enlargement(255, 300) == 1 and enlargement(80, 90) == 2


def foreign_files(folder) -> dict:
    """Files named .mp4 that make a decoder do what it should not: read another file, or have no decoder."""
    write_video(folder / "good.mp4", smooth(np.random.default_rng(5), (4, 64, 64, 3)), 8)
    data = (folder / "good.mp4").read_bytes()
    assert data.count(b"avc1") == 2  # a brand, and the sample entry
    at = data.rindex(b"avc1")
    shape = b"width=64:height=64:pixel_format=rgb24"
    return {
        "concat": file(folder / "concat.mp4", b"ffconcat version 1.0\nfile good.mp4\n"),
        "hls": file(folder / "hls.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\ngood.mp4\n#EXT-X-ENDLIST\n"),
        "no decoder": file(folder / "codec.mp4", data[:at] + b"zzz9" + data[at + 4 :]),
        "device": file(folder / "device.mp4", b"testsrc=" + shape),
    }


@pytest.mark.parametrize("kind", ["concat", "hls", "no decoder", "device"])
def test_no_file_makes_the_decoder_read_another_one_and_one_without_decoder_is_undecodable(tmp_path, kind):
    path = foreign_files(tmp_path)[kind]
    assert kind_of(path) == "undecodable"
    assert strip_of(path) is None
    assert len(read_frames(tmp_path / "good.mp4")) == 4 and strip_of(tmp_path / "good.mp4")


def test_files_are_opened_in_one_place():
    """Whoever opens a file that exists goes through media.container, which names the demuxers."""
    opening = re.compile(r"\bav\.open\((?!.*\"w\")|VideoCapture\(|\bimageio\b|\bdecord\b")
    found = [
        str(path.relative_to(ROOT))
        for room in sorted(path.parent for path in ROOT.glob("*/__init__.py"))
        for path in sorted(room.rglob("*.py"))
        if opening.search(path.read_text(encoding="utf-8"))
    ]
    assert found == ["media/container.py"]
