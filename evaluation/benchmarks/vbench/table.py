"""VBench's results as a table: a mean a dimension, with its interval over videos."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

from evaluation.benchmarks.foreign import write_json
from evaluation.benchmarks.named_videos import Exported, Run, listed, read_other
from evaluation.benchmarks.vbench.options import VbenchOptions
from evaluation.benchmarks.vbench.outputs import I2V, RESULTS, VIDEOS
from evaluation.benchmarks.vbench.results import read_results
from evaluation.records import MANIFEST, read_lines
from evaluation.scoring.judged_run import Incomplete
from evaluation.scoring.score_file import Strict
from pages import markdown
from pages.markdown import escaped
from stats.bootstrap import percentiles, resampled_means
from stats.rates import paired_interval
from storage.files import write_bytes

ALIKE = 1e-12  # differences that vary by less do not vary


class VbenchRow(Strict):
    dimension: str
    mean: float
    low: float
    high: float
    videos: int = Field(ge=1)


class VbenchGain(Strict):
    """How much more `run` scores than the table's run over the same `videos`, on average."""

    run: str
    dimension: str
    gain: float
    low: float
    high: float
    videos: int = Field(ge=1)


class VbenchTable(Strict):
    run: str
    rows: tuple[VbenchRow, ...]
    notes: tuple[str, ...]
    compared: tuple[VbenchGain, ...] = ()


def table(run: Run, options: VbenchOptions) -> str:
    """Writes table.json and table.md, and returns the latter. Raises Incomplete where a dimension or a video lacks."""
    found = _all_scores(run, options.place, options)
    rows = []
    for name, scores in found.items():
        low, high = _interval(values := list(scores.values()))
        rows.append(VbenchRow(dimension=name, mean=float(np.mean(values)), low=low, high=high, videos=len(values)))
    gains = []
    for folder in options.others:
        other = read_other(folder, options.seed, run)
        theirs = _all_scores(other, folder / "vbench", options)
        gains += _gains(other.record.name, theirs, found)
    notes = [f"not made: {one}" for one in run.missing]
    made = VbenchTable(run=run.record.name, rows=rows, notes=notes, compared=gains)
    write_json(options.place / "table.json", made.model_dump(mode="json"))
    lines = [(one.dimension, f"{one.mean:.3f} [{one.low:.3f}, {one.high:.3f}]", str(one.videos)) for one in rows]
    parts = [markdown.table(("", "Mean", "Videos"), lines)]
    if gains:
        lines = [
            (
                f"{escaped(one.run)} - {escaped(made.run)}",
                one.dimension,
                f"{one.gain:+.3f} [{one.low:+.3f}, {one.high:+.3f}]",
                str(one.videos),
            )
            for one in gains
        ]
        parts += ["", markdown.table(("Run - first", "", "Gain", "Videos"), lines)]
    told = [f"- {escaped(note)}" for note in made.notes]
    text = "\n".join([*parts, *([""] if told else []), *told]) + "\n"
    write_bytes(options.place / "table.md", text.encode())
    return text


def _all_scores(run: Run, place: Path, options: VbenchOptions) -> dict[str, dict[str, float]]:
    """`_scores` of both tools, in the order of the options."""
    found: dict[str, dict[str, float]] = {}
    for folder, dimensions in ((place, options.plain), (place / I2V, options.i2v)):
        if dimensions:
            found |= _scores(run, folder / VIDEOS, folder / RESULTS, dimensions)
    return {name: found[name] for name in options.dimensions}


def _scores(run: Run, videos: Path, results: Path, dimensions: Sequence[str]) -> dict[str, dict[str, float]]:
    """dimension -> video's file name -> score, of the run's videos as they are now."""
    exported = list(read_lines(videos / MANIFEST, Exported))
    now = {one.sample_id: one.sha256 for one in run.videos.values() if not one.failure}
    if not exported or {one.sample_id: one.sha256 for one in exported} != now:
        raise Incomplete(f"{videos}: the run's videos have changed since the export: run the step export again")
    found = read_results(sorted(results.glob("*_eval_results.json")), exported)
    missing = [name for name in dimensions if name not in found]
    if missing:
        raise Incomplete(f"{results}: no *_eval_results.json has {', '.join(missing)}: run the commands of the export")
    strange = sorted({name for one in found.values() for name in one.videos} - {one.path for one in exported})
    if strange:
        raise ValueError(f"{results} has scores of videos that were not exported: {listed(strange)}. Remove these")
    return {name: found[name].videos for name in dimensions}


def _gains(run: str, ours: dict[str, dict[str, float]], first: dict[str, dict[str, float]]) -> list[VbenchGain]:
    """Of each dimension, over the videos of the same samples: names of an export follow from samples alone."""
    made = []
    for name, theirs in first.items():
        differences = [ours[name][video] - score for video, score in theirs.items() if video in ours[name]]
        if not differences:
            raise Incomplete(f"{run}: no sample has a video of both runs: nothing to compare")
        gain, n = float(np.mean(differences)), len(differences)
        alike = paired_interval(n * max(gain, 0.0), n * max(-gain, 0.0), n)  # where a bootstrap has nothing to vary
        low, high = alike if np.ptp(differences) < ALIKE else _interval(differences)
        made.append(VbenchGain(run=run, dimension=name, gain=gain, low=low, high=high, videos=len(differences)))
    return made


def _interval(values: Sequence[float]) -> tuple[float, float]:
    column = np.array(values)[:, None]
    return percentiles(resampled_means(column, np.ones_like(column))[:, 0])
