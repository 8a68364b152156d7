"""What generating costs beside the model's own calls; writing and reading videos; asking a finished run again.

    .venv/bin/python tests/bench/bench_generation.py [--quick]

The microworld's shipped model, one thread. Seconds are of this process's CPU, so that a busy machine burdens all alike;
figures are medians over rounds in which the variants take turns.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import process_time as seconds_now

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from machine import machine  # noqa: E402

from evaluation.benchmarks.worldtasks.microworld import read_microworld  # noqa: E402
from evaluation.generation.folder import Job  # noqa: E402
from evaluation.generation.generate_runs import generate, generate_runs  # noqa: E402
from evaluation.generation.options import GenerateOptions, SamplerOptions  # noqa: E402
from evaluation.generation.sampling import sample_videos  # noqa: E402
from evaluation.videos import read_frames, write_video  # noqa: E402
from microworld.model.score import options_of  # noqa: E402
from models.video.build_video_model import build_video_model  # noqa: E402

BATCH = 8


def quiet(line: str) -> None:
    pass


def timed(work) -> float:
    began = seconds_now()
    work()
    return seconds_now() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer videos and rounds")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    count, rounds = (16, 2) if quick else (48, 5)
    checkpoint = HERE.parent.parent / "microworld" / "checkpoint"
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        rows = loops(root, count, rounds, checkpoint) + files(root, rounds)
    print(f"{machine('torch', 'diffusers', 'av')}; CPU seconds, medians of {rounds}\n\n| what | s |\n|---|--:|")
    for what, seconds in rows:
        print(f"| {what} | {seconds:.4f} |")


def loops(root: Path, count: int, rounds: int, checkpoint: Path) -> list[tuple[str, float]]:
    source = {"kind": "microworld", "path": str(root / "microworld"), "tasks": count}
    block = options_of(checkpoint).model_dump() | {"device": "cpu"}

    def options(folder: str, **changes) -> GenerateOptions:
        fixed = {"output": str(root / folder), "benchmark": source, "model": block, "batch": BATCH}
        return GenerateOptions.model_validate(fixed | changes)

    benchmark = read_microworld(root / "microworld", count)
    model = build_video_model(options("x").model)
    jobs = [Job(s, 1, "", s.task, benchmark.folder / s.image, "") for s in benchmark.samples]

    def bare() -> None:
        for first in range(0, count, BATCH):
            sample_videos(model, jobs[first : first + BATCH], SamplerOptions())

    bare()
    times: dict[str, list[float]] = {"bare": [], "run": [], "again": [], "vlm": [], "load": [], "three": []}
    for number in range(rounds):
        times["bare"].append(timed(bare))
        times["load"].append(timed(lambda: build_video_model(options("x").model)))
        run = options(f"run {number}", name="run")
        times["run"].append(timed(lambda run=run: generate(run, quiet)))
        times["again"].append(timed(lambda run=run: generate(run, quiet)))
        told = options(f"vlm {number}", name="run", conditioning="vlm")
        times["vlm"].append(timed(lambda told=told: generate(told, quiet)))
        three = [options(f"{role} {number}", name=role, seeds=[seed]) for seed, role in enumerate(("a", "b", "c"))]
        times["three"].append(timed(lambda three=three: generate_runs(three, quiet)))
    found = {name: median(values) for name, values in times.items()}
    return [
        (f"model calls alone (encode, 8 steps, decode), a video, batch {BATCH}", found["bare"] / count),
        (f"a run of {count} videos without loading the model, a video", (found["run"] - found["load"]) / count),
        ("loading the model", found["load"]),
        (f"the run again, finished, all {count} videos", found["again"]),
        ("the scripted VLM's share of a run under vlm, a video", (found["vlm"] - found["run"]) / count),
        ("three runs in one call, a video", found["three"] / count / 3),
    ]


def files(root: Path, rounds: int) -> list[tuple[str, float]]:
    rng, rows = np.random.default_rng(0), []
    for frames, height, width in ((8, 32, 32), (25, 704, 1216)):
        first = cv2.resize(rng.integers(0, 256, (9, 16, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
        video = np.stack([np.roll(first, 2 * n, axis=1) for n in range(frames)])
        path = root / "v.mp4"
        write_video(path, video, 24)
        writing = median(timed(lambda v=video, p=path: write_video(p, v, 24)) for _ in range(rounds))
        reading = median(timed(lambda p=path: read_frames(p)) for _ in range(rounds))
        rows.append((f"writing {frames} frames of {height} x {width}", writing))
        rows.append((f"reading them ({path.stat().st_size / 1024:.0f} KiB)", reading))
    return rows


if __name__ == "__main__":
    main()
