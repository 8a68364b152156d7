"""Runs' folders as generation and judging leave them, from chosen log-odds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluation import records
from evaluation.records import Judgement, RunRecord, Sample, VideoRecord

TYPES = ("navigation", "positioning", "perception")
KINDS = ("first_person", "human")
HASHES = {"task": "a" * 16, "agent": "b" * 16, "consistency": "c" * 16}


class RunFolder:
    """A run's records, to be changed by a test before or after `write`.

    `log_odds` float [N, K, Q], NaN for a judgement that failed as malformed; one seed where it is [N, Q].
    """

    def __init__(self, folder: Path, log_odds: np.ndarray, **record):
        values = np.asarray(log_odds, float)
        values = values[:, None] if values.ndim == 2 else values
        count, seeds, questions = values.shape
        self.folder = folder
        self.samples = []
        for n in range(count):
            texts = (f"images/{n}.png", f"[Disc]: go to place {n}.", "It glides.", "disc")
            self.samples.append(Sample(f"s{n:04d}", *texts, TYPES[n % 3], KINDS[n % 2]))
        size = {"frames": 16, "height": 32, "width": 32, "fps": 8.0, "vlm_seconds": 0.5}
        self.videos = []
        for n, one in enumerate(self.samples):
            for seed in range(seeds):
                identity = (f"{one.sample_id}-s{seed}", one.sample_id, seed, f"videos/{one.sample_id}-{seed}.mp4")
                made = {"sha256": f"{n:032x}{seed:032x}", "seconds": 2.0 + n % 5} | size
                self.videos.append(VideoRecord(*identity, one.task, "f" * 64, **made))
        self.judgements = []
        for place, video in enumerate(self.videos):
            for q, question in enumerate(("task", "agent", "consistency")[:questions]):
                value = float(values[place // seeds, place % seeds, q])
                blank = Judgement(
                    video.video_id, video.sample_id, question, 1, "judge-1", HASHES[question], video.sha256
                )
                if np.isnan(value):
                    self.judgements.append(replace(blank, failure="malformed: no yes and no no"))
                else:
                    answer = replace(blank, log_odds=value, yes=value > 0, frames=(0, 8, 15), times_s=(0.0, 1.0, 1.9))
                    self.judgements.append(answer)
        options = {"name": folder.name, "benchmark": "worldtasks", "benchmark_version": "1", "conditioning": "task"}
        options |= {"model": {}, "identity": "m", "sampler": {}, "seeds": tuple(range(seeds)), "samples": count}
        self.record = RunRecord(**(options | record))

    def write(self) -> Path:
        records.write_one(self.folder / records.RUN, self.record)
        records.write_lines(self.folder / records.SAMPLES, self.samples)
        records.write_lines(self.folder / records.MANIFEST, self.videos)
        records.write_lines(self.folder / records.JUDGEMENTS, self.judgements)
        return self.folder


@pytest.fixture
def run_folder(tmp_path):
    """run_folder(folder name, log_odds, **fields of run.json) -> RunFolder."""

    def make(folder: str, log_odds: np.ndarray, **record) -> RunFolder:
        return RunFolder(tmp_path / folder, log_odds, **record)

    return make


def counted(successes: int, valid: int, total: int) -> np.ndarray:
    """Log-odds [total] with these counts; what is not valid failed."""
    return np.r_[np.full(successes, 1.5), np.full(valid - successes, -0.5), np.full(total - valid, np.nan)]


@pytest.fixture(name="counted")
def counted_fixture():
    return counted


@pytest.fixture
def drawn():
    """drawn(seed, samples, seeds, share=...) -> log-odds [N, K, 3] whose samples are easy or hard for all seeds."""

    def make(seed: int, samples: int, seeds: int = 1, shift: float = 0.0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return rng.normal(shift, 1, (samples, 1, 3)) + rng.normal(0, 0.5, (samples, seeds, 3))

    return make
