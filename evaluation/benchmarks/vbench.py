"""VBench on a run's videos: the custom-input layout as an export, and the results that it writes.

    python -m evaluation.benchmarks.vbench --config config.yaml

The file holds the options VbenchOptions (YAML or JSON), among them `step`: export or table. Exit status 0: done; 1:
failed; 2: wrong options; 3: stopped by SIGTERM or SIGINT.

Six dimensions need no prompts of VBench's own. Custom input wants one flat folder of videos with any names:

    vbench evaluate --videos_path FOLDER --dimension subject_consistency --mode=custom_input --output_path OUT

It writes `{name}_eval_results.json`: {dimension: [mean, [{video_path, video_results}]]}.
"""

import re
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from evaluation.benchmarks.foreign import read_json, write_json
from evaluation.benchmarks.named_videos import Exported, Run, export, listed, read_run
from evaluation.commands import run_command
from evaluation.records import MANIFEST, Sample, read_lines
from evaluation.scoring.judged_run import Incomplete
from pages import markdown
from pages.markdown import escaped
from stats.bootstrap import percentiles, resampled_means
from storage.files import sha256_bytes, write_bytes
from storage.options import Options

DIMENSIONS = (
    "subject_consistency",
    "background_consistency",
    "motion_smoothness",
    "dynamic_degree",
    "aesthetic_quality",
    "imaging_quality",
)

PERCENT = "imaging_quality"  # videos are scored 0 to 100, and some versions write the mean as a share
AGREES = 1e-4  # between its mean and ours; it works in float32


@dataclass(frozen=True)
class DimensionScore:
    """One dimension: the mean over videos and each video's score by its file's name; shares between 0 and 1."""

    dimension: str
    mean: float
    videos: dict[str, float]


class VbenchOptions(Options):
    """One step on one run's folder. Unknown names are errors."""

    step: Literal["export", "table"] = Field(
        description="export: videos into one flat folder, and the commands to run. table: the results of these."
    )
    run: Path = Field(description="The run's folder, as generation left it.")
    out: Path | None = Field(None, description="Folder of videos, results and table; null: `vbench` in the run's.")
    seed: int | None = Field(None, description="Whose videos; null where the run has one seed only.")
    dimensions: tuple[str, ...] = Field(DIMENSIONS, min_length=1, description="Those wanted, of custom input's.")

    @field_validator("dimensions")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if set(value) - set(DIMENSIONS) or len(set(value)) != len(value):
            raise ValueError(f"{list(value)}: each of {', '.join(DIMENSIONS)} at most once is expected")
        return value

    @property
    def place(self) -> Path:
        return self.out or self.run / "vbench"


def run_step(options: VbenchOptions) -> None:
    """Runs `options.step`. The commands, or the table, go to standard output; what is missing to standard error."""
    run, videos, results = read_run(options.run, options.seed), options.place / "videos", options.place / "results"
    if options.step == "export":
        made = export_videos(run, videos)
        for line in [f"{len(made)} videos in {videos}", *(f"missing: {one}" for one in run.missing)]:
            print(line, file=sys.stderr)
        for command in commands(videos.resolve(), results.resolve(), options.dimensions):
            print(shlex.join(command))
        return
    print(table(run, videos, results, options))


def table(run: Run, videos: Path, results: Path, options: VbenchOptions) -> str:
    """Writes table.json and table.md, and returns the latter. Raises Incomplete where a dimension or a video lacks."""
    exported = list(read_lines(videos / MANIFEST, Exported))
    now = {one.sample_id: one.sha256 for one in run.videos.values() if not one.failure}
    if not exported or {one.sample_id: one.sha256 for one in exported} != now:
        raise Incomplete(f"{videos}: the export is not of the run's videos as they are now: run the step export")
    found = read_results(sorted(results.glob("*_eval_results.json")), exported)
    missing = [name for name in options.dimensions if name not in found]
    if missing:
        raise Incomplete(f"{results}: no *_eval_results.json has {', '.join(missing)}: run the commands of the export")
    strange = sorted({name for one in found.values() for name in one.videos} - {one.path for one in exported})
    if strange:
        raise ValueError(f"{results}: scores of videos that were not exported: {listed(strange)}; remove old results")
    rows = []
    for name in options.dimensions:
        scores = np.array(list(found[name].videos.values()))[:, None]
        low, high = percentiles(resampled_means(scores, np.ones_like(scores))[:, 0])
        rows.append({"dimension": name, "mean": found[name].mean, "low": low, "high": high, "videos": len(scores)})
    notes = [f"not made: {one}" for one in run.missing]
    write_json(options.place / "table.json", {"run": run.record.name, "rows": rows, "notes": notes})
    lines = [
        (row["dimension"], f"{row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]", str(row["videos"]))
        for row in rows
    ]
    told = [f"- {escaped(note)}" for note in notes]
    text = "\n".join([markdown.table(("", "Mean", "Videos"), lines), *([""] if told else []), *told]) + "\n"
    write_bytes(options.place / "table.md", text.encode())
    return text


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
        raise ValueError(f"dimensions {others}: custom input knows {', '.join(DIMENSIONS)}")
    first, last = (
        ("vbench", "evaluate", "--videos_path", str(videos)),
        ("--mode=custom_input", "--output_path", str(out)),
    )
    return [(*first, "--dimension", dimension, *last) for dimension in dimensions]


def read_results(paths: Iterable[Path], exported: Iterable[Exported] = ()) -> dict[str, DimensionScore]:
    """The scores in `*_eval_results.json` files by dimension.

    Raises OSError; ValueError naming the file for anything not of that form, a dimension in two files, a video twice, a
    mean that does not follow from the videos; Incomplete, naming them, when videos of `exported` have no score.
    """
    names = {PurePosixPath(one.path).name for one in exported}
    found: dict[str, DimensionScore] = {}
    for path in paths:
        whole = read_json(path)
        if not isinstance(whole, dict) or not whole:
            raise ValueError(f"{path}: an object {{dimension: [mean, videos]}} is expected")
        for dimension, value in whole.items():
            if dimension in found:
                raise ValueError(f"{path}: {dimension} has been read from another file")
            found[dimension] = _dimension(path, dimension, value)
            missing = sorted(names - found[dimension].videos.keys())
            if missing:
                raise Incomplete(f"{path}: {dimension}: {len(missing)} videos have no score: {listed(missing)}")
    return found


def _dimension(path: Path, dimension: str, value: Any) -> DimensionScore:
    if dimension not in DIMENSIONS:
        raise ValueError(f"{path}: dimension {dimension!r}: one of {', '.join(DIMENSIONS)} is expected")
    if not (isinstance(value, list) and len(value) == 2 and isinstance(value[1], list)):
        raise ValueError(f"{path}: {dimension}: [mean, videos] is expected")
    scale = 100.0 if dimension == PERCENT else 1.0
    videos: dict[str, float] = {}
    for row in value[1]:
        if not (isinstance(row, dict) and isinstance(row.get("video_path"), str)):
            raise ValueError(f"{path}: {dimension}: a video without its video_path")
        name = PurePosixPath(row["video_path"]).name
        if name in videos:
            raise ValueError(f"{path}: {dimension}: {name} is scored twice")
        # dynamic_degree is true or false for a video.
        videos[name] = float(_number(f"{path}: {dimension}: {name}", row.get("video_results"), 0, scale)) / scale
    if not videos:
        raise ValueError(f"{path}: {dimension}: no video is scored")
    said, mean = _number(f"{path}: {dimension}", value[0], 0, scale), sum(videos.values()) / len(videos)
    if min(abs(said - mean), abs(said / scale - mean)) > AGREES:
        raise ValueError(f"{path}: {dimension} says {said}, its {len(videos)} videos give {mean:.4f}")
    return DimensionScore(dimension, mean, videos)


def _number(where: str, value: Any, low: float, high: float) -> float:
    if not isinstance(value, bool | int | float) or not low - AGREES <= value <= high + AGREES:
        raise ValueError(f"{where}: {value!r}, where a number from {low:g} to {high:g} is expected")
    return float(value)


def main(arguments: list[str] | None = None) -> int:
    return run_command(__doc__, VbenchOptions, run_step, arguments)


if __name__ == "__main__":
    sys.exit(main())
