"""A run's videos as VBench's custom input takes them: one flat folder with any names; and the commands to score it."""

import re
from collections.abc import Iterable
from pathlib import Path

from evaluation.benchmarks.named_videos import Exported, Run, export
from evaluation.benchmarks.vbench.options import DIMENSIONS
from evaluation.records import Sample
from storage.files import sha256_bytes


def export_videos(run: Run, out: Path) -> list[Exported]:
    """Every video that `run` has into one flat folder, with `manifest.jsonl` beside them. Raises as `export` does."""
    return export(run, out, video_name)


def video_name(sample: Sample) -> str:
    """A file name of a sample's id: plain letters, with a hash behind it where others had to go."""
    plain = re.sub(r"[^\w.+-]", "_", sample.sample_id, flags=re.ASCII).lstrip(".")[:150]
    if plain == sample.sample_id:
        return f"{plain}.mp4"
    return f"{plain}-{sha256_bytes(sample.sample_id.encode())[:8]}.mp4"


def commands(videos: Path, out: Path, dimensions: Iterable[str] = DIMENSIONS) -> list[tuple[str, ...]]:
    """The commands that score an export, one a dimension. Raises ValueError for a dimension that needs prompts."""
    others = sorted(set(dimensions) - set(DIMENSIONS))
    if others:
        raise ValueError(f"dimensions {others} do not work with custom input: choose from {', '.join(DIMENSIONS)}")
    first, last = (
        ("vbench", "evaluate", "--videos_path", str(videos)),
        ("--mode=custom_input", "--output_path", str(out)),
    )
    return [(*first, "--dimension", dimension, *last) for dimension in dimensions]
