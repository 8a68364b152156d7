"""Times of judging microworld rollouts: the judge alone, and a training step's batch through the judge of training.

python tests/bench/bench_judging.py [--quick]
"""

import argparse
import statistics
import time

import cv2
import numpy as np
from machine import machine

from microworld.exact_judge import judge
from microworld.families import sample_tasks
from microworld.render import render_batch
from microworld.scene import sample_scene
from training.options.rewards import JudgeOptions
from training.rewards.judge import Judge


def rollouts(count: int, size: int, noise: float, rng: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    """`count` videos of 8 frames, uint8 [N, 8, size, size, 3], each showing its task; `noise` in grey levels."""
    scenes = [sample_scene(rng) for _ in range(2 * count)]
    pairs = [(scene, found[0]) for scene in scenes if (found := sample_tasks(scene.layout, rng, 1))][:count]
    videos = render_batch([scene for scene, _ in pairs], [task.program for _, task in pairs], 8, size)
    if noise:
        videos = np.clip(videos + rng.normal(0, noise, videos.shape) + 0.5, 0, 255).astype(np.uint8)
    return videos, [task.text for _, task in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer videos and repeats")
    quick = parser.parse_args().quick
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    count, repeats = (12, 3) if quick else (48, 7)
    print(f"{machine('numpy', 'scipy', 'opencv-python-headless')}; medians of {repeats}\n\n| what | ms |\n|---|---|")
    for size, noise in ((32, 0), (32, 4), (64, 0), (64, 4)):
        videos, tasks = rollouts(count, size, noise, rng)
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            for video, task in zip(videos, tasks, strict=True):
                judge(list(video), task)
            times.append((time.perf_counter() - start) * 1e3 / len(videos))
        kind = "noise of 4 grey levels" if noise else "as drawn"
        print(f"| judge one video of 8 frames, {size} px, {kind} | {statistics.median(times):.1f} |")
    videos, tasks = rollouts(count, 32, 4, rng)
    for workers in (0, 1, 2):
        with Judge(JudgeOptions(vlm={"workers": workers})) as training_judge:
            training_judge.submit(videos[: workers + 1], tasks[: workers + 1], 8).result()  # starts the workers
            times, own = [], []
            for repeat in range(repeats):
                fresh = videos.copy()
                fresh[:, 0, 0, 0, 0] ^= repeat + 1  # no verdict is known yet
                start, cpu = time.perf_counter(), time.process_time()
                training_judge.submit(fresh, tasks, 8).result()
                times.append((time.perf_counter() - start) * 1e3)
                own.append((time.process_time() - cpu) * 1e3)
        print(
            f"| {len(videos)} videos, 3 questions each, {workers} worker processes "
            f"({statistics.median(own):.0f} ms of this process) | {statistics.median(times):.0f} |"
        )


if __name__ == "__main__":
    main()
