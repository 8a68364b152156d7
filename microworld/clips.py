"""Real MP4 files of microworld scenes at work, with bad ones among them for every filter to catch.

Nothing but pixels is meant to be read downstream: the names say nothing, and there is no sidecar.
"""

import io
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from microworld.families import sample_tasks
from microworld.motion import STILL, Program, end_state
from microworld.render import render_batch
from microworld.scene import SHORT_SIDE, Layout, Scene, moved, sample_scene
from storage.files import confined, write_bytes

SIZE = 256  # pixels along the shorter side
GRIDS = ((SHORT_SIDE, SHORT_SIDE),) * 3 + ((SHORT_SIDE, SHORT_SIDE + 2), (SHORT_SIDE + 2, SHORT_SIDE))
RATES = (24, 25, 30)
KEYFRAME_S = 0.5  # seconds between keyframes: enough different ones for keyframe extraction
BAD = (
    "near_duplicate",
    "blurred",
    "corrupt",
    "black",
    "exact_duplicate",
    "no_agents",
    "zero_bytes",
    "white",
    "not_a_video",
    "faint",
)
BAD_EVERY = 6  # one clip in so many is bad


def make_clips(folder: Path, count: int = 60, seed: int = 0, size: int = SIZE) -> None:
    """Writes clip_00000.mp4 ... into `folder`, `count` files of 2 to 4 s; those that are there already stay.

    H.264, yuv420p, 24 to 30 frames a second, `size` pixels along the shorter side, some portrait, some landscape. About
    one in six is bad in one of the ways of BAD, and 60 clips hold each way once. A file's bytes follow from its number,
    the seed and the size alone, so that more clips may be asked for later. Raises ValueError for count < 1, or a size
    that is no multiple of 4 from 32 on.
    """
    if count < 1 or size < 32 or size % 4:
        raise ValueError(f"{count} clips of {size} pixels: ask for at least 1 clip, and a multiple of 4 from 32 on")
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = confined(folder, file_name(number))
        if not path.exists():
            write_bytes(path, clip_bytes(number, seed, size))


def file_name(number: int) -> str:
    return f"clip_{number:05d}.mp4"


def flaw(number: int) -> str:
    """What is wrong with clip `number`: one of BAD, "" for most. Duplicates have a good clip two before them."""
    return BAD[number // BAD_EVERY % len(BAD)] if number % BAD_EVERY == BAD_EVERY - 1 else ""


def clip_bytes(number: int, seed: int, size: int = SIZE) -> bytes:
    """The file's content, from its number and the seed alone."""
    kind = flaw(number)
    rng = np.random.default_rng([seed, number])
    match kind:
        case "zero_bytes":
            return b""
        case "not_a_video":
            return f"This is a text file, and no video. Note {rng.integers(1 << 30)}.\n".encode() * 40
        case "exact_duplicate":
            return clip_bytes(number - 2, seed, size)
        case "near_duplicate":
            frames, rate = footage(np.random.default_rng([seed, number - 2]), size)
            return encode(frames, rate, crf=27)
        case "corrupt":
            frames, rate = footage(rng, size)
            whole = encode(frames, rate)
            return whole[: len(whole) * 2 // 5]  # the index is at the end, so it is lost
        case "no_agents":
            frames, rate = footage(rng, size, agents=0)
        case _:
            frames, rate = footage(rng, size)
    return encode(_spoiled(frames, kind), rate)


def footage(rng: np.random.Generator, size: int, agents: int | None = None) -> tuple[np.ndarray, int]:
    """A scene with one or two tasks carried out one after the other: uint8 [T, H, W, 3] RGB, frames a second."""
    rows, cols = GRIDS[int(rng.integers(len(GRIDS)))]
    rate = RATES[int(rng.integers(len(RATES)))]
    scene = sample_scene(rng, rows, cols, agents=(2, 3) if agents is None else (agents, agents))
    seconds = float(rng.uniform(2.0, 4.0))
    acts = 1 if seconds < 2.8 else 2
    takes = []
    for _ in range(acts):
        tasks = sample_tasks(scene.layout, rng, 1)
        motion = tasks[0].program if tasks else STILL
        takes.append(render_batch([scene], [motion], round(seconds / acts * rate), size)[0])
        scene = Scene(after(scene.layout, motion), scene.background)
    return np.concatenate(takes), rate


def after(layout: Layout, motion: Program) -> Layout:
    """The layout when `motion` has come to rest."""
    return moved(layout, *end_state(layout, motion))


def _spoiled(frames: np.ndarray, kind: str) -> np.ndarray:
    match kind:
        case "black":
            return np.zeros_like(frames)
        case "white":
            return np.full_like(frames, 255)
        case "blurred":
            sigma = min(frames.shape[1:3]) / 10
            return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames])
        case "faint":  # almost no contrast
            return (128 + (frames.astype(np.float32) - 128) * 0.02 + 0.5).astype(np.uint8)
    return frames


def encode(frames: np.ndarray, rate: int, crf: int = 18) -> bytes:
    """An MP4 (libx264, yuv420p) of uint8 [T, H, W, 3] RGB frames. One thread: same bytes."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate))
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        stream.codec_context.thread_count = 1
        # x264's macroblock tree depends on what lies in memory before (seen at 64 pixels): without it, bytes repeat.
        stream.options = {
            "x264-params": "mbtree=0",
            "crf": str(crf),
            "preset": "veryfast",
            "g": str(round(rate * KEYFRAME_S)),
        }
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return buffer.getvalue()
