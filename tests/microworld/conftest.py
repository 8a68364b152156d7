"""Helpers of the microworld's tests, as fixtures."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from microworld.exact_judge import answer
from microworld.families import Task, sample_tasks
from microworld.grammar import FAMILIES, goal, parse
from microworld.motion import states
from microworld.render import render_batch
from microworld.scene import PALETTE, Scene, sample_scene
from microworld.tracking import Tracks

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
GRIDS = ((4, 4), (4, 6), (6, 4))


@pytest.fixture(scope="session")
def draw():
    """A scene and up to `count` of its tasks from a seed, the grid with it."""

    def make(seed: int, count: int = 1, families=FAMILIES) -> tuple[Scene, list[Task]]:
        rng = np.random.default_rng(seed)
        scene = sample_scene(rng, *GRIDS[seed % len(GRIDS)])
        return scene, sample_tasks(scene.layout, rng, count, families)

    return make


@pytest.fixture(scope="session")
def act():
    """The video of one task: uint8 [T, H, W, 3]."""

    def make(scene: Scene, task: Task, frames: int = 12, size: int = 64) -> np.ndarray:
        return render_batch([scene], [task.program], frames, size)[0]

    return make


@pytest.fixture(scope="session")
def truth():
    """Log-odds of T in the exact motion of a program, without pixels: what the judge should find."""

    def make(scene: Scene, task: Task, text: str, frames: int = 60) -> float:
        names = {rgb: name for name, rgb in PALETTE.items()}
        positions, rgb = states(scene.layout, task.program, frames)
        colours = [[names.get(tuple(round(float(v)) for v in c), "mixed") for c in row] for row in rgb]
        count = len(scene.layout.things)
        tracks = Tracks(
            scene.layout,
            positions.astype(float),
            colours,
            [[thing.shape for thing in scene.layout.things]] * frames,
            np.ones((frames, count), bool),
            np.zeros(frames, int),
            np.zeros(frames),
        )
        return min(answer(tracks, condition) for condition in goal(parse(text), scene.layout))

    return make


@pytest.fixture(scope="session")
def jpeg():
    """RGB pixels as JPEG bytes."""

    def make(image: np.ndarray, quality: int = 90) -> bytes:
        return cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()

    return make


@pytest.fixture(scope="session")
def photos():
    """A frame of each real clip at hand: RGB."""
    files = sorted((SHARED / "scene_clips").rglob("*.mp4"))
    if not files:
        pytest.skip(f"no real clips in {SHARED.name}/scene_clips")
    frames = []
    for file in files:
        video = cv2.VideoCapture(str(file))
        found, frame = video.read()
        if found:
            frames.append(np.ascontiguousarray(frame[:, :, ::-1]))
        video.release()
    return frames
