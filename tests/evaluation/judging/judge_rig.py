"""Runs of rendered microworld videos, and judgements made up."""

import dataclasses
from pathlib import Path

import numpy as np

from evaluation.records import MANIFEST, SAMPLES, Judgement, Sample, VideoRecord, read_lines, write_lines
from evaluation.videos import write_video
from microworld.families import sample_tasks
from microworld.render import render_batch
from microworld.scene import sample_scene
from storage.files import sha256_file


def make_run(folder: Path, count: int = 6, seed: int = 3) -> Path:
    """A run of `count` videos of 8 frames: every third shows another task than it was asked for."""
    rng = np.random.default_rng(seed)
    samples, records = [], []
    while len(samples) < count:
        scene = sample_scene(rng)
        found = sample_tasks(scene.layout, rng, 2)
        if len(found) < 2:
            continue
        number = len(samples)
        frames = render_batch([scene], [found[number % 3 == 1].program], 8, 32)[0]
        samples.append(Sample(f"s{number:03}", f"images/{number}.png", found[0].text))
        path = folder / "videos" / f"{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, frames, 8)
        name = f"videos/{number}.mp4"
        size = {"frames": 8, "height": 32, "width": 32, "fps": 8.0}
        prompt, sha256 = found[0].solution, sha256_file(path)
        records.append(VideoRecord(f"s{number:03}-s0", f"s{number:03}", 0, name, prompt, "0" * 64, sha256, **size))
    write_lines(folder / SAMPLES, samples)
    write_lines(folder / MANIFEST, records)
    return folder


def change(folder: Path, place: int, **fields) -> None:
    """Changes the manifest's record at `place`."""
    records = list(read_lines(folder / MANIFEST, VideoRecord))
    records[place] = dataclasses.replace(records[place], **fields)
    write_lines(folder / MANIFEST, records)


def judgement(video: int, yes: bool | None, variant: int = 1, question: str = "task", **fields) -> Judgement:
    """A judgement about video number `video`, failed where `yes` is None."""
    value = None if yes is None else (1.0 if yes else -1.0)
    failure = "refused: no" if yes is None else ""
    kept = {"judge": "j", "prompt_hash": f"h{variant}", "video_sha256": f"f{video}"} | fields
    sample = kept.pop("sample_id", f"s{video}")
    return Judgement(f"v{video}", sample, question, variant, log_odds=value, yes=yes, failure=failure, **kept)
