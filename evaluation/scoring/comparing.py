"""Two runs on the same tasks and noise, before the same judge: what one gained, or why that cannot be said."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.scoring.judged_run import Run, load_run
from evaluation.scoring.pickscores import METHOD, pickscore_table
from evaluation.scoring.score_file import ALIKE, Estimate, RunScores, Strict, estimate
from models.pickscore import SCALE
from stats.bootstrap import percentiles, resampled_means, spread, vary
from stats.paired import alike_interval, outcomes, tested
from stats.rates import probability

BOOTSTRAP = "paired bootstrap over samples"
TANGO = f"Tango's score interval over samples: {ALIKE}"
TANGO_MEAN = f"mean of the questions' Tango limits over samples: {ALIKE}"
SHOWN = 5


class NotComparable(ValueError):
    """Runs that differ in more than the model; `differences` lists all of it."""

    def __init__(self, ours: str, theirs: str, differences: tuple[str, ...]):
        super().__init__(f"{ours!r} and {theirs!r} cannot be compared: {'; '.join(differences)}")
        self.differences = differences


class PairedScores(Strict):
    """One question over `pairs` (sample and seed) judged for both runs, of `samples` tasks.

    `ours` and `theirs` are the shares over these pairs, `better` and `worse` the pairs that only one of them solved.
    `gain_as_zero` is over all pairs, a failed judgement being no success; `gain_soft` that of mean p(yes).
    """

    samples: int
    pairs: int
    better: int
    worse: int
    ours: float | None
    theirs: float | None
    gain: Estimate
    gain_as_zero: Estimate
    gain_soft: Estimate
    p_value: float | None
    test: str


class RunComparison(Strict):
    """`ours` against `theirs` (names of runs); gains are ours - theirs, averages means over the questions.

    An average gain is over the pairs judged for both, so that it can differ a little from the difference of the two
    runs' own averages. `notes` says what a reader should know before trusting a gain.
    """

    ours: str
    theirs: str
    benchmark: str
    benchmark_version: str
    judge: str
    prompts: dict[str, str]
    samples: int
    seeds: tuple[int, ...]
    questions: dict[str, PairedScores]
    average: Estimate
    average_as_zero: Estimate
    average_soft: Estimate
    pickscore_raw: Estimate | None
    pickscore_scaled: Estimate | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Terms:
    """All that has to be alike before two runs' scores are set against each other."""

    name: str
    benchmark: str
    benchmark_version: str
    judge: str
    prompts: dict[str, str]
    samples: int
    samples_sha256: str
    seeds: tuple[int, ...]
    sample_ids: frozenset[str] | None = None

    @classmethod
    def of(cls, run: Run | RunScores) -> "Terms":
        record = run.record if isinstance(run, Run) else run
        ids = frozenset(one.sample_id for one in run.samples) if isinstance(run, Run) else None
        return cls(
            name=record.name,
            benchmark=record.benchmark,
            benchmark_version=record.benchmark_version,
            judge=run.judge,
            prompts=run.prompts,
            samples=len(ids) if ids is not None else run.samples,
            samples_sha256=run.samples_sha256,
            seeds=run.seeds,
            sample_ids=ids,
        )


def differences(ours: Run | RunScores, theirs: Run | RunScores, *, samples: bool = True) -> tuple[str, ...]:
    """Why two runs cannot be compared, one line a reason; none: they can. `samples` false: whatever these are."""
    first, second = Terms.of(ours), Terms.of(theirs)
    found = []
    for name, what in (("benchmark", "benchmarks"), ("benchmark_version", "benchmark versions"), ("judge", "judges")):
        mine, other = getattr(first, name), getattr(second, name)
        if mine != other:
            found.append(f"{what} {mine!r} and {other!r}")
    for question in sorted(first.prompts.keys() | second.prompts.keys()):
        mine, other = (one.prompts.get(question, "none") for one in (first, second))
        if mine != other:
            found.append(f"prompts of {question!r}: {mine} and {other}")
    if samples and first.samples_sha256 != second.samples_sha256:
        found.append(f"sample sets: {_sets(first, second)}")
    if first.seeds != second.seeds:
        found.append(f"seeds {list(first.seeds)} and {list(second.seeds)}")
    return tuple(found)


def compare_runs(ours: Run | Path, theirs: Run | Path) -> RunComparison:
    """Compares two runs in pairs of (sample, seed); folders are read with `load_run`.

    Raises NotComparable when judges, prompts, benchmarks, samples or seeds differ, and what `load_run` raises.
    """
    first, second = (run if isinstance(run, Run) else load_run(run) for run in (ours, theirs))
    if found := differences(first, second):
        raise NotComparable(first.record.name, second.record.name, found)
    better, worse, both = outcomes(first.log_odds, second.log_odds)
    everything = np.ones_like(both)
    hard = better.astype(np.float64) - worse
    as_zero = (first.log_odds > 0).astype(np.float64) - (second.log_odds > 0)
    soft = np.where(both, probability(first.log_odds) - probability(second.log_odds), 0.0)
    gains = {"gain": (hard, both), "gain_as_zero": (as_zero, everything), "gain_soft": (soft, both)}
    estimates, averages = _estimates(gains)
    questions = {}
    for q, question in enumerate(first.questions):
        pairs = int(both[..., q].sum())
        p_value, test = tested(better[..., q], worse[..., q])
        shares = [float((run.log_odds > 0)[..., q][both[..., q]].mean()) if pairs else None for run in (first, second)]
        questions[question] = PairedScores(
            samples=int(both[..., q].any(axis=1).sum()),
            pairs=pairs,
            better=int(better[..., q].sum()),
            worse=int(worse[..., q].sum()),
            ours=shares[0],
            theirs=shares[1],
            p_value=p_value if pairs else None,
            test=test,
            **{name: rows[q] for name, rows in estimates.items()},
        )
    raw, scaled, notes = _pickscore(first, second)
    return RunComparison(
        ours=first.record.name,
        theirs=second.record.name,
        benchmark=first.record.benchmark,
        benchmark_version=first.record.benchmark_version,
        judge=first.judge,
        prompts=first.prompts,
        samples=len(first.samples),
        seeds=first.seeds,
        questions=questions,
        average=averages["gain"],
        average_as_zero=averages["gain_as_zero"],
        average_soft=averages["gain_soft"],
        pickscore_raw=raw,
        pickscore_scaled=scaled,
        notes=(*_notes(first, second), *notes),
    )


def _estimates(gains: dict[str, tuple[np.ndarray, np.ndarray]]) -> tuple[dict[str, list[Estimate]], dict]:
    """By kind of gain: an estimate a question, and their mean's; gains float and which are known bool, [N, K, Q]."""
    values = np.concatenate([gain.sum(axis=1) for gain, _ in gains.values()], axis=1)
    counts = np.concatenate([count.sum(axis=1) for _, count in gains.values()], axis=1)
    drawn = np.split(resampled_means(values, counts), len(gains), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        seen = np.split(values.sum(axis=0) / counts.sum(axis=0), len(gains))
    each, mean = {}, {}
    for (name, (gain, known)), means, resampled in zip(gains.items(), seen, drawn, strict=True):
        each[name] = []
        for q, (value, column) in enumerate(zip(means.tolist(), resampled.T, strict=True)):
            alike = not (np.isnan(value) or vary(column))
            limits = alike_interval(gain[..., q], known[..., q]) if alike else percentiles(column)
            each[name].append(estimate(value, *limits, TANGO if alike else BOOTSTRAP))
        value, column = float(means.mean()), resampled.mean(axis=1)
        alike = not (np.isnan(value) or vary(column))
        limits = percentiles(column)
        if alike:
            limits = np.mean([alike_interval(gain[..., q], known[..., q]) for q in range(len(means))], axis=0).tolist()
        mean[name] = estimate(value, *limits, TANGO_MEAN if alike else BOOTSTRAP)
    return each, mean


def _pickscore(ours: Run, theirs: Run) -> tuple[Estimate | None, Estimate | None, tuple[str, ...]]:
    """The paired gain of PickScore, raw and / 26, where both have it on the same terms."""
    first, second = pickscore_table(ours), pickscore_table(theirs)
    if first is None or second is None:
        return None, None, ()
    if first[1:] != second[1:]:
        return None, None, (f"PickScores were computed with different settings: {first[1:]} and {second[1:]}",)
    gain = first[0] - second[0]
    both = ~np.isnan(gain)
    if not both.any():
        return None, None, ("no video has a PickScore in both runs",)
    drawn = resampled_means(np.where(both, gain, 0).sum(axis=1)[:, None], both.sum(axis=1)[:, None])[:, 0]
    mean, (low, high) = float(gain[both].mean()), spread(drawn)
    return (
        estimate(mean, low, high, METHOD),
        estimate(mean / SCALE, low / SCALE, high / SCALE, METHOD),
        (),
    )


def _notes(ours: Run, theirs: Run) -> tuple[str, ...]:
    notes = []
    if ours.frames_shown != theirs.frames_shown:
        notes.append(
            f"the judge saw {list(ours.frames_shown)} frames of a video of {ours.record.name!r}, "
            f"{list(theirs.frames_shown)} of {theirs.record.name!r}"
        )
    if ours.inputs == theirs.inputs:
        notes.append("both are the same files")
    return tuple(notes)


def _sets(ours: Terms, theirs: Terms) -> str:
    if ours.sample_ids is None or theirs.sample_ids is None:
        return f"{ours.samples} and {theirs.samples} samples that are not the same"
    if ours.sample_ids == theirs.sample_ids:
        return "the same ids with other tasks or first frames"
    only = [sorted(ours.sample_ids - theirs.sample_ids), sorted(theirs.sample_ids - ours.sample_ids)]
    return " and ".join(
        f"{len(ids)} only in {name!r}"
        + (f" ({', '.join(ids[:SHOWN])}{' ...' if len(ids) > SHOWN else ''})" * bool(ids))
        for ids, name in zip(only, (ours.name, theirs.name), strict=True)
    )
