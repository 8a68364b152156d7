"""Runs' folders with real videos, made up so that a report has something to show."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from evaluation import records
from evaluation.preference.pickscore_file import PICKSCORES, PickScored
from evaluation.records import Judgement, RunRecord, Sample, VideoRecord
from evaluation.videos import write_video
from storage.files import sha256_file

TYPES = ("navigation", "positioning", "perception", "object_interaction")
KINDS = ("first_person", "human_character")
HASHES = {"task": "a" * 16, "agent": "b" * 16, "consistency": "c" * 16}
FRAMES, SIDE, FPS = 8, 32, 4.0


def films(folder: Path, count: int = 4) -> list[Path]:
    """A few different MP4 files."""
    made = []
    for number in range(count):
        frames = np.zeros((FRAMES, SIDE, SIDE, 3), np.uint8)
        for at in range(FRAMES):
            frames[at, 4 + number : 12 + number, at : at + 8] = (40 + 50 * number, 200 - 20 * at, 90)
        made.append(folder / f"film-{number}.mp4")
        write_video(made[-1], frames, FPS)
    return made


class MadeRun:
    """A run's records, to be changed before `write`. `shift` moves the log-odds, so that runs differ."""

    def __init__(self, folder: Path, samples: int, films: list[Path], shift: float = 0.0, seeds=(1,), **record):
        self.folder, self.films = folder, films
        rng = np.random.default_rng([samples, round(shift * 100) + 1000])
        self.samples = [
            Sample(f"s{n:04d}", f"images/{n}.png", f"[Disc]: go to place {n}.", f"The disc glides to place {n}.",
                   "disc", TYPES[n % 3], KINDS[n % 2])
            for n in range(samples)
        ]  # fmt: skip
        digests = [sha256_file(film) for film in films]
        size = {"frames": FRAMES, "height": SIDE * 8, "width": SIDE * 8, "fps": FPS}
        self.videos, self.judgements, self.film_of = [], [], {}
        for n, one in enumerate(self.samples):
            for seed in seeds:
                film = (n + seed + int(10 * shift)) % len(films)
                video = VideoRecord(
                    f"{one.sample_id}-s{seed}", one.sample_id, seed, f"videos/{one.sample_id}-{seed}.mp4", one.task,
                    "f" * 64, sha256=digests[film], seconds=2.0 + n % 5 / 10, **size,
                )  # fmt: skip
                self.videos.append(video)
                self.film_of[video.video_id] = film
                hard = np.random.default_rng(n).normal()
                for question in HASHES:
                    value = float(rng.normal(shift + hard, 1.0))
                    self.judgements.append(
                        Judgement(
                            video.video_id, one.sample_id, question, 1, "judge-1", HASHES[question], video.sha256,
                            frames=(0, 4, 7), times_s=(0.0, 1.0, 1.75), log_odds=value, yes=value > 0,
                            text="Yes, it does." if value > 0 else "No.",
                        )
                    )  # fmt: skip
        options = {"name": folder.name, "benchmark": "worldtasks", "benchmark_version": "1.0", "conditioning": "task"}
        options |= {"model": {}, "identity": "made:up", "sampler": {"kind": "ode", "steps": 8}, "seeds": tuple(seeds)}
        self.record = RunRecord(**(options | {"samples": samples} | record))
        self.pickscore: float | None = None

    def variants(self, flip: int = 5) -> None:
        """A second wording, which answers otherwise on every `flip`th video."""
        self.judgements += [
            replace(one, variant=2, prompt_hash="d" * 16, log_odds=-one.log_odds, yes=not one.yes)
            if number % flip == 0
            else replace(one, variant=2, prompt_hash="d" * 16)
            for number, one in enumerate(self.judgements)
        ]

    def write(self) -> Path:
        for video in self.videos:
            target = self.folder / video.path
            if not video.failure and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.hardlink_to(self.films[self.film_of[video.video_id]])
        records.write_one(self.folder / records.RUN, self.record)
        records.write_lines(self.folder / records.SAMPLES, self.samples)
        records.write_lines(self.folder / records.MANIFEST, self.videos)
        records.write_lines(self.folder / records.JUDGEMENTS, self.judgements)
        if self.pickscore is not None:
            scored = [
                PickScored(one.video_id, one.sample_id, one.sha256, "pick", "task", 6, (0, 7), False, self.pickscore,
                           self.pickscore / 26)
                for one in self.videos
            ]  # fmt: skip
            records.write_lines(self.folder / PICKSCORES, scored)
        return self.folder

    def judged_again(self, name: str = "noisy", flip: int = 4) -> None:
        """Judgements of a further judge, wrong on every `flip`th."""
        others = [
            replace(one, judge="judge-noisy", log_odds=-one.log_odds, yes=not one.yes)
            if number % flip == 0
            else replace(one, judge="judge-noisy")
            for number, one in enumerate(self.judgements)
            if one.variant == 1
        ]
        records.write_lines(self.folder / f"judgements.{name}.jsonl", others)


def four_runs(root: Path, films: list[Path], samples: int, **record) -> list[Path]:
    """Base, Demonstrator, Executor and +VLM."""
    arms = {
        "base": ("task", -1.0),
        "demonstrator": ("demonstrator", 0.4),
        "executor": ("task", 0.8),
        "vlm": ("vlm", 0.2),
    }
    return [
        MadeRun(root / role, samples, films, shift, role=role, conditioning=conditioning, **record).write()
        for role, (conditioning, shift) in arms.items()
    ]
