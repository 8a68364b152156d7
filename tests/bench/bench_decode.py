"""Sparse frame extraction against the usual ways to reach the same frames.

    python tests/bench/bench_decode.py [--quick]

Eight frames a clip, delivered as 8-bit BGR at the clip's own size. Everybody gets the same frame numbers and, but for
the methods marked "threads", one decoding thread, since files are what is decoded in parallel. Ours includes planning
from the stored index and checking each time; reading that index ("probe") is paid once a clip, in the clips stage.
All methods of a clip are timed in turn in each round, so that a busy neighbour hits them alike; the tables show
medians.

floor: open, seek to each wanted keyframe, decode its packet alone, convert. No plan, no check.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from machine import machine

from media.decode import decode_stills
from media.index import FrameIndex
from media.plan import Plan, plan_clip
from media.probe import probe

SCENE_CLIPS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "scene_clips"
FRAMES = 8
MIN_ROUNDS = 3
CLIP_BUDGET_S = 30


def write_synthetic(path: Path, seconds: int, gop: int) -> Path:
    """A 720p30 H.264 clip, x264 veryfast crf 23: a panning photograph-like texture, moving discs, sensor noise."""
    width, height, fps = 1280, 720, 30
    rng = np.random.default_rng(0)
    texture = np.zeros((height + 256, width + 512, 3), np.float32)
    for sigma in (1, 3, 9, 27, 81):
        layer = cv2.GaussianBlur(rng.standard_normal(texture.shape, np.float32), (0, 0), sigma)
        texture += layer / layer.std() * sigma**0.5
    texture = (120 + 45 * texture / texture.std()).clip(0, 255).astype(np.uint8)
    noise = [rng.integers(0, 6, (height, width, 3), dtype=np.uint8) for _ in range(5)]
    options = {"preset": "veryfast", "crf": "23", "sc_threshold": "0", "keyint_min": str(gop)}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.codec_context.gop_size = width, height, "yuv420p", gop
        for i in range(seconds * fps):
            x, y = int(256 + 200 * np.sin(i / 70)), int(128 + 100 * np.sin(i / 97))
            picture = cv2.add(texture[y : y + height, x : x + width], noise[i % 5])
            centre = (int(width / 2 + 300 * np.cos(i / 20)), int(height / 2 + 200 * np.sin(i / 31)))
            cv2.circle(picture, centre, 60, (30, 200, 240), -1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        container.mux(stream.encode())
    return path


def bgr(frame: av.VideoFrame) -> np.ndarray:
    return frame.to_ndarray(format="bgr24", threads=1)


def open_stream(container, threads: bool = False):
    stream = container.streams.video[0]
    stream.thread_count, stream.thread_type = (0, "AUTO") if threads else (1, "NONE")
    return stream


def methods(path: Path, index: FrameIndex, plan: Plan) -> dict[str, Callable[[], int]]:
    """Name -> a function that reaches the plan's frames and returns how many it got."""
    wanted = [frame.pts for frame in plan.wanted]
    numbers = np.searchsorted(index.pts, wanted).tolist()

    def ours() -> int:
        again = plan_clip(FrameIndex.from_row(row), count=len(wanted), mode=plan.mode)
        return sum(still.picture is not None for still in decode_stills(path, again, max_side_px=None))

    row = index.to_row()

    def floor() -> int:
        with av.open(str(path)) as container:
            stream = open_stream(container)
            got = 0
            for pts in wanted:
                container.seek(pts, stream=stream)
                packet = next(container.demux(stream))
                frames = stream.codec_context.decode(packet) + stream.codec_context.decode(None)
                got += bgr(frames[0]) is not None
            return got

    def pyav_seek() -> int:
        with av.open(str(path)) as container:
            stream = open_stream(container)
            got = 0
            for pts in wanted:
                container.seek(pts, stream=stream)
                got += bgr(next(frame for frame in container.decode(stream) if frame.pts >= pts)) is not None
            return got

    def pyav_pass(threads: bool = False) -> int:
        with av.open(str(path)) as container:
            left = set(wanted)
            for frame in container.decode(open_stream(container, threads)):
                if frame.pts in left:
                    bgr(frame)
                    left.discard(frame.pts)
                    if not left:
                        break
            return len(wanted) - len(left)

    def opencv(seek: bool, threads: bool = False) -> int:
        options = [] if threads else [cv2.CAP_PROP_N_THREADS, 1]
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, options)
        got, at = 0, 0
        for number in numbers:
            if seek:
                capture.set(cv2.CAP_PROP_POS_FRAMES, number)
            else:
                while at < number:
                    capture.grab()
                    at += 1
                at += 1
            got += capture.read()[0]
        capture.release()
        return got

    found = {
        "ours": ours,
        "OpenCV seek": lambda: opencv(True),
        "OpenCV seek, threads": lambda: opencv(True, True),
        "OpenCV one pass": lambda: opencv(False),
        "PyAV seek + decode": pyav_seek,
        "PyAV one pass": pyav_pass,
        "PyAV one pass, threads": lambda: pyav_pass(True),
        **torchcodec_methods(path, numbers),
    }
    return {"floor": floor, **found} if plan.mode == "keyframe" else found


def torchcodec_methods(path: Path, numbers: list[int]) -> dict[str, Callable[[], int]]:
    try:
        from torchcodec.decoders import VideoDecoder
    except (ImportError, RuntimeError, OSError):  # not installed, or without FFmpeg's shared libraries
        return {}

    def torchcodec() -> int:
        decoder = VideoDecoder(str(path), seek_mode="approximate", num_ffmpeg_threads=1, dimension_order="NHWC")
        return len(decoder.get_frames_at(numbers))

    return {"torchcodec": torchcodec}


def measure(functions: dict[str, Callable[[], int]], expected: int, rounds: int) -> dict[str, float]:
    """Median milliseconds of each; a first round warms the file cache and checks that each delivers its frames.

    Slow clips get fewer rounds, at least MIN_ROUNDS: what they measure is long against the noise.
    """
    times: dict[str, list[float]] = {name: [] for name in functions}
    begin = time.perf_counter()
    for round_number in range(-1, rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            got = function()
            if got != expected:
                raise RuntimeError(f"{name}: {got} frames instead of {expected}")
            if round_number >= 0:
                times[name].append((time.perf_counter() - start) * 1000)
        if round_number + 1 >= MIN_ROUNDS and time.perf_counter() - begin > CLIP_BUDGET_S:
            break
    return {name: statistics.median(values) for name, values in times.items()}


def snapping_plan(index: FrameIndex) -> Plan | None:
    """The keyframe plan with the most frames, up to FRAMES; None when the clip has but one keyframe."""
    for count in range(FRAMES, 1, -1):
        plan = plan_clip(index, count, mode="keyframe")
        if plan.mode == "keyframe":
            return plan
    return None


def measured_clips(paths: list[Path], mode: str, rounds: int) -> Iterator[tuple[str, int, dict[str, float]]]:
    for path in paths:
        index = FrameIndex.from_row(probe(path))
        plan = snapping_plan(index) if mode == "keyframe" else plan_clip(index, FRAMES, mode="exact")
        if plan is not None:
            name = path.stem if "synthetic" in path.stem else f"{path.parent.name}/{path.stem[:18]}"
            yield name, len(plan.wanted), measure(methods(path, index, plan), len(plan.wanted), rounds)


def table(mode: str, rows: list[tuple[str, int, dict[str, float]]]) -> str:
    """Markdown: milliseconds a clip for each method, then what the issue asks for."""
    names = [name for name in rows[0][2] if name not in ("ours", "floor")]
    first = ["floor", "ours"] if mode == "keyframe" else ["ours"]
    asked = ["ours / floor", "OpenCV seek, threads / ours"] if mode == "keyframe" else ["best one-thread peer / ours"]
    asked += ["best of all / ours", "clips/s"]
    head = ["clip", "frames", *(f"{name}, ms" for name in (*first, *names)), *asked]
    lines = [f"### {mode} mode", "", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for clip, frames, ms in rows:
        alone = min(ms[name] for name in names if "threads" not in name)
        best = min(ms[name] for name in names)
        if mode == "keyframe":
            ratios = [ms["ours"] / ms["floor"], ms["OpenCV seek, threads"] / ms["ours"], best / ms["ours"]]
        else:
            ratios = [alone / ms["ours"], best / ms["ours"]]
        cells = [f"{ms[name]:.1f}" for name in (*first, *names)] + [f"{ratio:.2f}" for ratio in ratios]
        lines.append("| " + " | ".join([clip, str(frames), *cells, f"{1000 / ms['ours']:.1f}"]) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="24 s synthetic clips and 3 rounds, for a look")
    quick = parser.parse_args().quick
    rounds = 3 if quick else 7
    print(f"{machine('av', 'opencv-python-headless', 'numpy')}\n")
    with tempfile.TemporaryDirectory() as folder:
        seconds = 24 if quick else 120
        paths = [write_synthetic(Path(folder) / f"synthetic {gop=}.mp4", seconds, gop) for gop in (60, 250)]
        paths += sorted(SCENE_CLIPS.rglob("*.mp4"))
        for path in paths[:2]:
            start = time.perf_counter()
            probe(path)
            took = (time.perf_counter() - start) * 1000
            print(f"{path.stem}: {seconds} s, {path.stat().st_size / 1e6:.1f} MB, probe {took:.0f} ms\n")
        for mode in ("keyframe", "exact"):
            print(table(mode, list(measured_clips(paths, mode, rounds))) + "\n", flush=True)


if __name__ == "__main__":
    main()
