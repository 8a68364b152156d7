"""Times of the microworld: drawing, reading, judging, proposing tasks and writing clips, on one core.

python tests/bench/bench_microworld.py [--quick]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from machine import machine

from microworld.clips import make_clips
from microworld.exact_judge import judge
from microworld.families import sample_tasks
from microworld.render import render_batch, render_scene
from microworld.scene import sample_scene
from microworld.vision import observe


def median_ms(work: Callable[[], object], repeats: int) -> float:
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats and clips")
    quick = parser.parse_args().quick
    cv2.setNumThreads(1)
    repeats, clips = (5, 12) if quick else (21, 60)
    rng = np.random.default_rng(0)
    scenes = [sample_scene(rng) for _ in range(24)]
    tasks = [sample_tasks(scene.layout, rng, 1)[0] for scene in scenes]
    programs = [task.program for task in tasks]
    large, small = render_scene(scenes[0], 256), render_scene(scenes[0], 64)
    videos = {size: render_batch(scenes[:1], programs[:1], 8, size)[0] for size in (32, 64)}
    rows = [
        ("draw 24 clips of 8 frames, 32 px", lambda: render_batch(scenes, programs, 8, 32)),
        ("draw 24 clips of 8 frames, 64 px", lambda: render_batch(scenes, programs, 8, 64)),
        ("draw 1 clip of 72 frames, 256 px", lambda: render_batch(scenes[:1], programs[:1], 72, 256)),
        ("read a picture, 64 px", lambda: observe(small)),
        ("read a picture, 256 px", lambda: observe(large)),
        ("judge 8 frames, 32 px", lambda: judge(videos[32], tasks[0].text)),
        ("judge 8 frames, 64 px", lambda: judge(videos[64], tasks[0].text)),
        ("propose 8 tasks with D and motion", lambda: sample_tasks(scenes[0].layout, np.random.default_rng(1), 8)),
    ]
    print(f"{machine('numpy', 'opencv-python-headless', 'av')}; medians of {repeats}\n\n| what | ms |\n|---|---|")
    for name, work in rows:
        print(f"| {name} | {median_ms(work, repeats):.1f} |")
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        make_clips(Path(folder), clips)
        print(f"| write {clips} clips of 256 px (one run) | {(time.perf_counter() - start) * 1e3:.0f} |")


if __name__ == "__main__":
    main()
