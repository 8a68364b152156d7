"""The evaluation report's time, peak memory and size, against the number of judgements.

    python tests/bench/bench_evaluation_report.py [--quick]

Five runs of made-up judgements (three questions a video) with a real MP4 file for each video, 8 frames of 256 x 256;
each video's content is its own, and has the strip that its generation made. `first` builds into an empty folder: every
video is checked and linked. `again` builds with videos and strips in place. `decoded` is the first one of videos that
came without strips. Each build runs in a fresh
process, which reads its own peak resident memory; CPU seconds stand beside the wall time, since a busy machine only
stretches the latter.
"""

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from machine import machine

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from evaluation.report.build import build_report  # noqa: E402
from evaluation.strips import STRIPS, keep_strip  # noqa: E402
from evaluation.videos import read_frames  # noqa: E402
from storage.files import sha256_bytes  # noqa: E402
from tests.evaluation.report.made_runs import MadeRun, films  # noqa: E402

RUNS = {"base": -1.0, "demonstrator": 0.5, "executor": 0.8, "vlm": 0.3, "other": 0.0}


def synthesise(root: Path, samples: int) -> None:
    """Runs whose videos all differ: a trailing box, which players pass over, makes every file another one."""
    made_of = films(root)
    movies, frames = [path.read_bytes() for path in made_of], [read_frames(path) for path in made_of]
    for role, shift in RUNS.items():
        made = MadeRun(root / "runs" / role, samples, sorted(root.glob("*.mp4")), shift, role=role)
        videos = {}
        for video in made.videos:
            identity = f"{role}/{video.video_id}".encode()
            box = (8 + len(identity)).to_bytes(4, "big") + b"free" + identity
            data = movies[made.film_of[video.video_id]] + box
            path = made.folder / video.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            keep_strip(made.folder, sha256_bytes(data), frames[made.film_of[video.video_id]])
            videos[video.video_id] = replace(video, sha256=sha256_bytes(data), prompt=f"{video.prompt} " * 10)
        made.videos = list(videos.values())
        made.judgements = [replace(one, video_sha256=videos[one.video_id].sha256) for one in made.judgements]
        made.write()


def measured(root: Path) -> tuple[float, float, float, float]:
    """(wall seconds, CPU seconds, peak MiB, page MB) of one build in a fresh process."""
    line = subprocess.run(
        [sys.executable, __file__, "--build", str(root)], check=True, capture_output=True, text=True
    ).stdout
    return tuple(map(float, line.split()))


def build(root: Path) -> None:
    began = time.perf_counter()
    page = build_report(sorted((root / "runs").iterdir()), root / "report")
    seconds = time.perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, page.stat().st_size / 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few judgements, one repeat")
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.build:
        return build(options.build)
    repeats = 1 if options.quick else 3
    print(f"## Evaluation report\n\n{machine('numpy', 'jinja2', 'av')}; medians of {repeats}\n")
    print(
        "| judgements | videos | build | wall, s | CPU, s | peak memory, MiB | page, MB |\n"
        "|---:|---:|---|---:|---:|---:|---:|"
    )
    for samples in (60,) if options.quick else (60, 667):
        with tempfile.TemporaryDirectory() as folder:
            synthesise(Path(folder), samples)
            found = {"first": [], "again": []}
            for _ in range(repeats):
                shutil.rmtree(Path(folder) / "report", ignore_errors=True)
                for name in found:
                    found[name].append(measured(Path(folder)))
            for strips in (Path(folder) / "runs").glob(f"*/{STRIPS}"):
                shutil.rmtree(strips)
            shutil.rmtree(Path(folder) / "report")
            found["decoded"] = [measured(Path(folder))]
        for name, runs in found.items():
            wall, cpu, peak, size = (statistics.median(values) for values in zip(*runs, strict=True))
            videos = samples * len(RUNS)
            print(
                f"| {3 * videos:,} | {videos:,} | {name} | {wall:.2f} | {cpu:.2f} | {peak:.0f} | {size:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
