"""Reading whole robot episodes against plain PyAV passes over the same frames.

    python tests/bench/bench_robots.py [--quick]

Every frame of every view as RGB at its own size. All are timed in turn in each round, so that a busy neighbour hits
them alike; ratios are medians of the rounds' own. The plain passes open a file once and decode all of it: where several
episodes share a file, all of them in one pass, while ours reads episode by episode.

plain: container.decode and to_ndarray as PyAV's pages show them. one thread: the same without threads, the best known.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from machine import machine

from robots.episode import Episode
from robots.frames import read_frames
from robots.layouts.read import read_episodes
from robots.options import RobotSource

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # for the writer that the tests have
from tests.robots.numbered_videos import write_v3

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
SAMPLES = (
    ("DROID, H.264", "ctrl_world", "droid_sample/droid_subset", "droid"),
    ("Fetch v2.1, AV1", "lerobot", "fetch_lerobot_v21", "fetch"),
    ("Fetch v3.0, AV1, shared files", "lerobot", "fetch_lerobot_v3", "fetch"),
)


def ours(episodes: list[Episode]) -> int:
    views = ((episode, footage) for episode in episodes for footage in episode.footage.values())
    return sum(len(read_frames(footage, range(episode.frames), episode.fps)) for episode, footage in views)


def plain(episodes: list[Episode], threads: bool) -> int:
    """Whole files, once each: an episode's own frames are a part of them."""
    got = 0
    for path in dict.fromkeys(footage.path for episode in episodes for footage in episode.footage.values()):
        frames = []
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            if not threads:
                stream.thread_count, stream.thread_type = 1, "NONE"
            for frame in container.decode(stream):
                frames.append(frame.to_ndarray(format="rgb24", **({} if threads else {"threads": 1})))
        got += len(np.stack(frames))
    return got


def measured(episodes: list[Episode], rounds: int) -> dict[str, list[float]]:
    """Seconds of each round; the first one warms the file cache and is left out."""
    ways: dict[str, Callable[[], int]] = {
        "ours": lambda: ours(episodes),
        "plain": lambda: plain(episodes, True),
        "one thread": lambda: plain(episodes, False),
    }
    wanted = sum(episode.frames * len(episode.footage) for episode in episodes)
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-1, rounds):
        for name, way in ways.items():
            begin = time.perf_counter()
            if (got := way()) != wanted:
                raise RuntimeError(f"{name}: {got} frames instead of {wanted}")
            if number >= 0:
                took[name].append(time.perf_counter() - begin)
    return took


def sources(folder: Path) -> list[tuple[str, RobotSource]]:
    """The real samples where they are, and a small synthetic set."""
    write_v3(folder, [60] * 6, [[6], [2, 4], [3, 3]], Fraction(15))
    found = [("synthetic v3.0, H.264, 64x64", RobotSource(layout="lerobot", path=str(folder), robot="fetch"))]
    for name, layout, place, robot in SAMPLES:
        if (DATA / place).is_dir():
            found.append((name, RobotSource(layout=layout, path=str(DATA / place), robot=robot)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 rounds, for a look")
    rounds = 3 if parser.parse_args().quick else 9
    print(f"{machine('av', 'numpy')}\n")
    print("| source | frames | ours, frames/s | plain / ours | one thread / ours |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, source in sources(Path(folder)):
            episodes = [episode for episode in read_episodes(source) if not episode.refused]
            frames = sum(episode.frames * len(episode.footage) for episode in episodes)
            took = measured(episodes, rounds)
            ratios = [
                statistics.median(other / own for own, other in zip(took["ours"], took[peer], strict=True))
                for peer in ("plain", "one thread")
            ]
            speed = frames / statistics.median(took["ours"])
            print(f"| {name} | {frames} | {speed:.0f} | {ratios[0]:.2f} | {ratios[1]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
