"""What the official evaluator left, read strictly: every sample once, finite scores, sums that agree with its own.

It averages over the videos that it found and scores its own errors 0. So nothing is reported before all samples of the
benchmark are there, and its errors are counted.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from evaluation.benchmarks.foreign import read_json
from evaluation.benchmarks.named_videos import listed
from evaluation.benchmarks.vbvr.options import Scoring
from evaluation.benchmarks.vbvr.released import SPLITS, place_of
from evaluation.records import Sample
from evaluation.scoring.judged_run import Incomplete

AGREES = 1e-6  # between its means and ours
Share = Annotated[float, Field(ge=-AGREES, le=1 + AGREES, allow_inf_nan=False)]
Place = tuple[str, str, str]  # split's folder, task, number


class _Result(BaseModel):
    """One scored video, in both formats."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    video_path: str
    task_name: str
    split: Literal["In_Domain", "Out_of_Domain"]
    score: Share
    category: str = ""
    error: str | None = None


@dataclass(frozen=True)
class SampleScore:
    """The evaluator's score, 0 to 1, of one sample; `error` when it failed on it and scored 0."""

    split: str
    task: str
    index: str
    category: str
    score: float
    error: str = ""

    @property
    def place(self) -> Place:
        return self.split, self.task, self.index


def read_results(paths: Sequence[Path], scoring: Scoring) -> list[SampleScore]:
    """The scores in the results files of one model, by split, task and number.

    task_specific: one `{model}_vbvr_results.json`; weighted: an `_eval_results.json` a split. Raises OSError, and
    ValueError naming the file for anything that is not of that form: NaN, scores outside 0..1, a sample twice, a path
    that is no sample's, means or counts that do not follow from the samples.
    """
    found: dict[Place, SampleScore] = {}
    for path in paths:
        whole = read_json(path)
        for one in _task_specific(path, whole) if scoring == "task_specific" else _weighted(path, whole):
            if found.setdefault(one.place, one) is not one:
                raise ValueError(f"{path}: {'/'.join(one.place)} is scored twice")
    return [found[place] for place in sorted(found)]


def check_complete(scores: Iterable[SampleScore], samples: Iterable[Sample]) -> None:
    """Raises Incomplete, naming them, when samples have no score, and ValueError for scores of no sample."""
    there, wanted = {one.place for one in scores}, {place_of(sample) for sample in samples}
    strangers = sorted("/".join(place) for place in there - wanted)
    if strangers:
        raise ValueError(f"{len(strangers)} scored videos are not samples of the benchmark: {listed(strangers)}")
    missing = sorted("/".join(place) for place in wanted - there)
    if missing:
        raise Incomplete(f"{len(missing)} of {len(wanted)} samples have no score: {listed(missing)}")


def _task_specific(path: Path, whole: Any) -> list[SampleScore]:
    """{model_name, summary: {In_Domain, Out_of_Domain, overall: {mean_score, num_samples}}, samples: [...]}."""
    results = _results(path, _at(path, whole, "samples"))
    made = [_sample_score(path, one, one.category) for one in results]
    summary = _at(path, whole, "summary")
    for name in (*SPLITS.values(), "overall"):
        part = [o.score for o, r in zip(made, results, strict=True) if name in ("overall", r.split)]
        _agree(path, f"summary.{name}", _at(path, summary, name), "num_samples", part)
    return made


def _weighted(path: Path, whole: Any) -> list[SampleScore]:
    """{overall, In_Domain, Out_of_Domain: {mean_score, num_videos}, by_category: {name: {tasks}}, detailed: [...]}."""
    results = _results(path, _at(path, whole, "detailed"))
    categories = {}
    parts = _at(path, whole, "by_category")
    for name in parts if isinstance(parts, dict) else ():
        tasks = _at(path, parts[name], "tasks")
        categories |= {task: name for task in tasks if isinstance(task, str)}
    made = [_sample_score(path, one, str(categories.get(one.task_name, ""))) for one in results]
    for name in (*SPLITS.values(), "overall"):
        part = [o.score for o, r in zip(made, results, strict=True) if name in ("overall", r.split)]
        _agree(path, name, _at(path, whole, name), "num_videos", part)
    return made


def _results(path: Path, rows: Any) -> list[_Result]:
    try:
        return TypeAdapter(list[_Result]).validate_python(rows)
    except ValidationError as error:
        wrong = [f"sample {'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise ValueError(f"{path}: {listed(wrong, 3)}") from error


def _sample_score(path: Path, one: _Result, category: str) -> SampleScore:
    split, task, file = ("", "", *PurePosixPath(one.video_path).parts)[-3:]
    index = file.removesuffix(".mp4")
    if split not in SPLITS or task != one.task_name or not (index.isascii() and index.isdigit() and len(index) == 5):
        raise ValueError(f"{path}: {one.video_path!r} of task {one.task_name!r} must be like SPLIT/TASK/00000.mp4")
    return SampleScore(split, task, index, category, min(1.0, max(0.0, one.score)), one.error or "")


def _agree(path: Path, name: str, part: Any, count: str, scores: list[float]) -> None:
    mean = sum(scores) / len(scores) if scores else 0.0
    said_count, said_mean = _at(path, part, count), _at(path, part, "mean_score")
    if not isinstance(said_mean, int | float) or said_count != len(scores) or abs(said_mean - mean) > AGREES:
        raise ValueError(
            f"{path}: {name} says {said_mean} over {said_count}, but its samples give {mean:.6f} over {len(scores)}"
        )


def _at(path: Path, value: Any, key: str) -> Any:
    if not isinstance(value, dict) or key not in value:
        raise ValueError(f"{path} has no {key!r}: it is not a result of VBVR's evaluator")
    return value[key]


def errors(scores: Iterable[SampleScore]) -> list[str]:
    """Samples on which the evaluator failed, each with its message."""
    return [f"{'/'.join(one.place)}: {one.error}" for one in scores if one.error]


def tasks_all_zero(scores: Iterable[SampleScore]) -> list[str]:
    """Tasks whose every sample scored 0: as likely a rule that cannot run here as a model that fails on all of them."""
    total, zero = Counter(), Counter()
    for one in scores:
        total[one.task] += 1
        zero[one.task] += one.score == 0
    return sorted(task for task in total if zero[task] == total[task])
