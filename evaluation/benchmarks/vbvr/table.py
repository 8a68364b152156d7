"""VBVR's results as a table: In-Domain, Out-of-Domain, all, and by category, for the variants side by side.

Scores are shares between 0 and 1, not successes. Intervals are 95 % bootstraps over tasks, since the five samples of a
task are scored by one rule and succeed and fail together; Wilson's, or Tango's for a difference, where all tasks are
alike, so that a bootstrap has nothing to vary. Variants are compared over the same samples.
"""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np

from evaluation.benchmarks.foreign import write_json
from evaluation.benchmarks.vbvr.defects import WITHOUT
from evaluation.benchmarks.vbvr.options import Scoring, Variant
from evaluation.benchmarks.vbvr.results import SampleScore
from evaluation.records import RunRecord
from evaluation.scoring.judged_run import Incomplete
from evaluation.scoring.score_file import Strict
from pages import markdown
from pages.markdown import escaped
from stats.bootstrap import percentiles, resampled_means, vary
from stats.rates import mean_interval, paired_interval
from storage.files import write_bytes

PARTS = {"In-Domain_50": "In-Domain", "Out-of-Domain_50": "Out-of-Domain"}


class Mean(Strict):
    """A mean score over `samples` of `tasks`, with its interval."""

    value: float
    low: float
    high: float
    samples: int
    tasks: int


class Row(Strict):
    """One variant of a model. `parts` by name: In-Domain, Out-of-Domain, All, then categories."""

    run: str
    variant: Variant
    scoring: Scoring
    parts: dict[str, Mean]
    difference: Mean | None = None  # of All, to the first row
    notes: tuple[str, ...] = ()


class Table(Strict):
    """Variants of models, compared with the first."""

    rows: tuple[Row, ...]

    def to_markdown(self) -> str:
        names = list(dict.fromkeys(name for row in self.rows for name in row.parts))
        head = ["", *(escaped(name) for name in names), *(["All - first"] if len(self.rows) > 1 else [])]
        lines = []
        for row in self.rows:
            cells = [_mean(row.parts.get(name)) for name in names]
            if len(self.rows) > 1:
                cells.append(_mean(row.difference, "+"))
            lines.append([f"{row.variant} ({escaped(row.run)})", *cells])
        notes = [f"- {escaped(row.run)}: {escaped(note)}" for row in self.rows for note in row.notes]
        return "\n".join([markdown.table(head, lines), "", *notes]) + "\n"


def variant_of(record: RunRecord) -> Variant:
    """What a run is called: by its samples (rewritten queries) and its adapter."""
    if "rewrite-" in record.benchmark_version:
        return "prompt_rewrite"
    return "trained" if record.lora or record.lora_sha256 else "vanilla"


def row(
    run: str,
    variant: Variant,
    scoring: Scoring,
    scores: Sequence[SampleScore],
    notes: Sequence[str] = (),
    defective: Collection[str] = (),
) -> Row:
    """One variant's row; with tasks that are `defective`, also the mean without them.

    Raises Incomplete when there is no score at all.
    """
    if not scores:
        raise Incomplete(f"{run} has no scored sample")
    parts = {name: _over([one for one in scores if one.split == split]) for split, name in PARTS.items()}
    parts["All"] = _over(scores)
    if defective:
        parts[WITHOUT] = _over([one for one in scores if one.task not in defective])
    for category in sorted({one.category for one in scores} - {""}):
        parts[category] = _over([one for one in scores if one.category == category])
    known = {name: mean for name, mean in parts.items() if mean}
    return Row(run=run, variant=variant, scoring=scoring, parts=known, notes=tuple(notes))


def difference(ours: Iterable[SampleScore], theirs: Iterable[SampleScore]) -> Mean:
    """The mean difference over the same samples. Raises ValueError when the two are of different samples."""
    first, second = ({one.place: one for one in scores} for scores in (ours, theirs))
    if first.keys() != second.keys():
        apart = len(first.keys() ^ second.keys())
        raise ValueError(f"{apart} samples are scored in one run only: compared variants need the same samples")
    return _mean_of([(one.task, one.score - second[place].score) for place, one in first.items()], signed=True)


def shared(ours: Iterable[SampleScore], theirs: Iterable[SampleScore]) -> tuple[list[SampleScore], list[SampleScore]]:
    """The scores of both runs of the samples that both have."""
    ours, theirs = list(ours), list(theirs)
    both = {one.place for one in ours} & {one.place for one in theirs}
    return [one for one in ours if one.place in both], [one for one in theirs if one.place in both]


def write_table(table: Table, folder: Path) -> None:
    """table.json and table.md in `folder`."""
    write_json(folder / "table.json", table.model_dump(mode="json"))
    write_bytes(folder / "table.md", table.to_markdown().encode())


def _over(scores: Sequence[SampleScore]) -> Mean | None:
    return _mean_of([(one.task, one.score) for one in scores]) if scores else None


def _mean_of(values: list[tuple[str, float]], signed: bool = False) -> Mean:
    """Of (task, value) pairs, values within 0..1 or, `signed`, within -1..1; the bootstrap draws tasks."""
    tasks = sorted({task for task, _ in values})
    place = {task: n for n, task in enumerate(tasks)}
    sums, counts = np.zeros((len(tasks), 1)), np.zeros((len(tasks), 1))
    for task, value in sorted(values):
        sums[place[task]] += value
        counts[place[task]] += 1
    mean, drawn, n = float(sums.sum() / counts.sum()), resampled_means(sums, counts)[:, 0], len(tasks)
    if vary(drawn):
        limits = percentiles(drawn)
    else:
        limits = paired_interval(n * max(mean, 0.0), n * max(-mean, 0.0), n) if signed else mean_interval(mean, n)
    low, high = limits
    return Mean(value=mean, low=low, high=high, samples=len(values), tasks=n)


def _mean(mean: Mean | None, sign: str = "") -> str:
    return f"{mean.value:{sign}.3f} [{mean.low:{sign}.3f}, {mean.high:{sign}.3f}]" if mean else "-"
