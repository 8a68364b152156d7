"""Runs as the report shows them: records, judgements of all judges, and scores where the run is whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.preference.pickscore_file import read_skipped
from evaluation.records import (
    CONTROL,
    JUDGEMENTS,
    MANIFEST,
    ORIGIN,
    RUN,
    SAMPLES,
    Judgement,
    RunRecord,
    Sample,
    VideoRecord,
    read_lines,
    read_one,
)
from evaluation.scoring.judged_run import Run, load_run
from evaluation.scoring.run_scores import score
from evaluation.scoring.score_file import RunScores
from pages.roles import role_label

# Judgements of other benchmarks' own scripts: their questions and denominators are not those of this page.
FOREIGN = ("judgements.dreamgen.jsonl",)


@dataclass(frozen=True, eq=False)
class Evaluated:
    """One run. `scores` and `run` are None when it cannot be scored, and `problem` says why.

    `judgements` are those of judgements.jsonl, all wordings and judges; `others` those of further judges by file name.
    `pickscore_skipped` is why PickScore was left out, "" when it was not or was never asked for.
    """

    folder: Path
    record: RunRecord
    role: str
    samples: dict[str, Sample]
    videos: tuple[VideoRecord, ...]
    judgements: tuple[Judgement, ...]
    others: dict[str, tuple[Judgement, ...]]
    run: Run | None
    scores: RunScores | None
    problem: str
    pickscore_skipped: str

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def label(self) -> str:
        """What a reader calls it: the role where it has one, and the name where that says more."""
        step = [] if self.record.step is None else [f"step {self.record.step}"]
        if not self.role:
            return ", ".join([self.name, *step])
        more = ", ".join(([] if self.name == self.role else [self.name]) + step)
        return role_label(self.role) + (f" ({more})" if more else "")

    @property
    def control(self) -> str:
        """What kind of control it is, "" for a run of a model."""
        return str(self.record.extra.get(CONTROL, {}).get("kind", ""))

    @property
    def benchmark(self) -> tuple[str, str]:
        return self.record.benchmark, self.record.benchmark_version


def read_runs(
    folders: Sequence[Path], roles: Mapping[str, str], judge: str = "", expected: int | None = None
) -> list[Evaluated]:
    """Runs in the given order. A run that lacks something, or contradicts itself, keeps its videos and has no scores.

    Raises FileNotFoundError without run.json, and ValueError for lines that are no records, two runs of one name, and
    `roles` of runs that are not there.
    """
    found = [_evaluated(folder, roles, judge, expected) for folder in folders]
    names = [one.name for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two runs are called {', '.join(map(repr, twice))}: give each its own name")
    strange = sorted(roles.keys() - set(names))
    if strange:
        raise ValueError(f"roles are given for {', '.join(map(repr, strange))}, which are no runs: choose from {names}")
    return found


def shown_in_full(runs: Sequence[Evaluated]) -> list[Evaluated]:
    """All runs but those that are only points of a curve: of earlier training steps, or of weights of another run."""
    last: dict[tuple, int] = {}
    for one in runs:
        if one.record.step is not None:
            last[training_of(one)] = max(one.record.step, last.get(training_of(one), 0))
    worn = {(*one.benchmark, one.record.lora_sha256) for one in runs if one.record.step is None}

    def full(one: Evaluated) -> bool:
        elsewhere = bool(one.record.lora_sha256) and (*one.benchmark, one.record.lora_sha256) in worn
        return one.record.step is None or (one.record.step == last[training_of(one)] and not elsewhere)

    return [one for one in runs if full(one)]


def training_of(one: Evaluated) -> tuple[str, ...]:
    """What runs at several steps have in common: benchmark, role, and `training` and `curve` of run.json's `extra`."""
    return (*one.benchmark, one.role, *(str(one.record.extra.get(name, "")) for name in ORIGIN))


def _evaluated(folder: Path, roles: Mapping[str, str], judge: str, expected: int | None) -> Evaluated:
    record = read_one(folder / RUN, RunRecord)
    samples = {one.sample_id: one for one in read_lines(folder / SAMPLES, Sample)}
    run, scores, problem = None, None, ""
    try:
        run = load_run(folder, judge=judge, expected=expected)
        scores = score(run)
    except (ValueError, FileNotFoundError) as error:
        problem = str(error).replace(f"{folder}/", "")
    others = {
        path.name: tuple(read_lines(path, Judgement))
        for path in sorted(folder.glob("judgements.*.jsonl"))
        if path.name not in FOREIGN
    }
    return Evaluated(
        folder,
        record,
        roles.get(record.name, record.role),
        samples,
        tuple(read_lines(folder / MANIFEST, VideoRecord)),
        tuple(read_lines(folder / JUDGEMENTS, Judgement)),
        others,
        run if scores else None,
        scores,
        problem,
        read_skipped(folder),
    )
