"""VBench's results as a table: a mean a dimension, with its interval over videos."""

from pathlib import Path

import numpy as np
from pydantic import Field

from evaluation.benchmarks.foreign import write_json
from evaluation.benchmarks.named_videos import Exported, Run, listed
from evaluation.benchmarks.vbench.options import VbenchOptions
from evaluation.benchmarks.vbench.results import read_results
from evaluation.records import MANIFEST, read_lines
from evaluation.scoring.judged_run import Incomplete
from evaluation.scoring.score_file import Strict
from pages import markdown
from pages.markdown import escaped
from stats.bootstrap import percentiles, resampled_means
from storage.files import write_bytes


class VbenchRow(Strict):
    dimension: str
    mean: float
    low: float
    high: float
    videos: int = Field(ge=1)


class VbenchTable(Strict):
    run: str
    rows: tuple[VbenchRow, ...]
    notes: tuple[str, ...]


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
        rows.append(VbenchRow(dimension=name, mean=found[name].mean, low=low, high=high, videos=len(scores)))
    made = VbenchTable(run=run.record.name, rows=rows, notes=[f"not made: {one}" for one in run.missing])
    write_json(options.place / "table.json", made.model_dump(mode="json"))
    lines = [(one.dimension, f"{one.mean:.3f} [{one.low:.3f}, {one.high:.3f}]", str(one.videos)) for one in rows]
    told = [f"- {escaped(note)}" for note in made.notes]
    text = "\n".join([markdown.table(("", "Mean", "Videos"), lines), *([""] if told else []), *told]) + "\n"
    write_bytes(options.place / "table.md", text.encode())
    return text
