"""Two hundred varied microworld videos from seeds: right, wrong, broken, and decoded badly. What judges are held to."""

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from microworld.families import sample_tasks
from microworld.motion import STILL
from microworld.render import render_batch
from microworld.scene import Layout, Scene, sample_scene

COUNT = 200
GRIDS = ((4, 4), (4, 4), (4, 6), (6, 4))
PLAYS = ("right", "another task", "still", "vanishing", "appearing", "teleport", "patch", "other background")
LOOKS = ("drawn", "noisy", "blurred", "jpeg", "ghosts", "drawn")


def golden_videos(count: int = COUNT) -> Iterator[tuple[str, np.ndarray, str]]:
    """Name, uint8 [T, H, W, 3] RGB video, and the task it is to be judged on."""
    for seed in range(count):
        rng = np.random.default_rng([77, seed])
        scene = sample_scene(rng, *GRIDS[seed % len(GRIDS)])
        tasks = sample_tasks(scene.layout, rng, 4)
        if not tasks:
            continue
        size, frames = ((32, 8), (32, 8), (32, 9), (64, 6))[int(rng.integers(4))]
        play, look = PLAYS[seed % len(PLAYS)], LOOKS[seed // len(PLAYS) % len(LOOKS)]
        video = _spoil(_play(play, scene, tasks, frames, size, rng), look, rng)
        yield f"{seed}: {play}, {look}, {size} px", video, tasks[0].text


def _play(kind: str, scene: Scene, tasks: list, frames: int, size: int, rng: np.random.Generator) -> np.ndarray:
    def shot(program, scene=scene):
        return render_batch([scene], [program], frames, size)[0]

    video = shot(tasks[0].program)
    half = frames // 2
    things = scene.layout.things
    match kind:
        case "another task":
            return shot(tasks[-1].program)
        case "still":
            return shot(STILL)
        case "vanishing":
            gone = int(rng.integers(len(things)))
            rest = tuple(thing for i, thing in enumerate(things) if i != gone)
            video[half:] = shot(STILL, replace(scene, layout=Layout(scene.layout.rows, scene.layout.cols, rest)))[half:]
        case "appearing":
            twin = replace(things[0], y=float(rng.uniform(0.5, 3.5)), x=float(rng.uniform(0.5, 3.5)))
            more = Layout(scene.layout.rows, scene.layout.cols, (*things, twin))
            video[half:] = shot(STILL, replace(scene, layout=more))[half:]
        case "teleport":
            video[half:] = video[-1]
        case "patch":
            side = size // 6
            y, x = (int(v) for v in rng.integers(0, size - side, 2))
            video[half:, y : y + side, x : x + side] = rng.integers(0, 256, 3)
        case "other background":
            video[half:] = shot(tasks[0].program, replace(scene, background=sample_scene(rng).background))[half:]
    return video


def _spoil(video: np.ndarray, look: str, rng: np.random.Generator) -> np.ndarray:
    match look:
        case "noisy":
            video = video + rng.normal(0, rng.uniform(3, 14), video.shape)
        case "blurred":
            video = np.stack([cv2.GaussianBlur(frame, (0, 0), 0.5) for frame in video])
        case "jpeg":
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 95))]
            coded = [cv2.imencode(".jpg", frame[:, :, ::-1], quality)[1] for frame in video]
            video = np.stack([cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1] for data in coded])
        case "ghosts":  # what a video model in training makes: fading copies and soft edges
            share = rng.uniform(0.1, 0.5)
            soft = np.stack([cv2.GaussianBlur(frame, (0, 0), 0.4) for frame in video])
            video = (1 - share) * soft + share * np.roll(soft, 1, axis=0) + rng.normal(0, 4, video.shape)
    return np.clip(np.asarray(video, np.float64) + 0.5, 0, 255).astype(np.uint8)
