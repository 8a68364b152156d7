"""How far a judge's answers depend on the words it is asked in.

Kappa is agreement beyond what the answers' frequencies give by chance: 1 whenever wordings always agree, 0 at chance.
It is strict where nearly all answers are the same: a few changed ones then weigh much, so read it with the shares.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.records import Judgement
from stats.bootstrap import percentiles, resampled
from stats.rates import ENOUGH, interval

LOW = 0.6  # a kappa below it is flagged: Landis and Koch (1977) call more than that substantial


@dataclass(frozen=True)
class Kappa:
    """A kappa with its 95 % bootstrap interval over samples; None where it is undefined: all answers are the same."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Agreement:
    """The wordings `variants` of one question, over `videos` answered in all of them; `left_out` lack an answer.

    `pairs` holds Cohen's kappa of two wordings by "1-2"; `fleiss` Fleiss' kappa of all; `shares` the share of yes by
    wording; `disagreeing` videos got both answers, a share of (`low_share`, `high_share`) by Wilson. `low` flags a
    Fleiss' kappa below 0.6.
    """

    question: str
    variants: tuple[int, ...]
    videos: int
    left_out: int
    pairs: dict[str, Kappa]
    fleiss: Kappa
    shares: dict[str, float]
    disagreeing: int
    share: float
    low_share: float
    high_share: float
    low: bool


@dataclass(frozen=True)
class Constant:
    """A judge that gave one and the same answer to all `valid` videos; `same_log_odds`: even the same number."""

    judge: str
    question: str
    variant: int
    yes: bool
    valid: int
    same_log_odds: bool


def agreement(*runs: Sequence[Judgement], seed: int = 0) -> dict[str, Agreement]:
    """Agreement of wordings by question, over the judgements of one run or of several, for questions asked in several.

    Questions without any video answered in all wordings are left out. Raises ValueError when several judges answered,
    or one question about one video of a run stands twice.
    """
    judges = sorted({one.judge for run in runs for one in run})
    if len(judges) > 1:
        raise ValueError(f"judgements of {judges}: those of one judge are expected")
    found = {}
    for question in dict.fromkeys(one.question for run in runs for one in run):
        variants, samples, answers = _table([[one for one in run if one.question == question] for run in runs])
        whole = ~np.isnan(answers).any(axis=1)
        if len(variants) > 1 and whole.any():
            kept = [sample for sample, complete in zip(samples, whole, strict=True) if complete]
            left_out = int((~whole).sum())
            found[question] = _agreement(question, variants, kept, answers[whole].astype(bool), left_out, seed)
    return found


def constant(judgements: Sequence[Judgement], least: int = ENOUGH) -> list[Constant]:
    """The judges, questions and wordings whose answers are all the same, from `least` answers on."""
    groups: dict[tuple[str, str, int], list[Judgement]] = {}
    for one in judgements:
        if one.yes is not None:
            groups.setdefault((one.judge, one.question, one.variant), []).append(one)
    return [
        Constant(*key, bool(group[0].yes), len(group), len({one.log_odds for one in group}) == 1)
        for key, group in groups.items()
        if len(group) >= least and len({one.yes for one in group}) == 1
    ]


def cohen(both_yes: np.ndarray, first_yes: np.ndarray, second_yes: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Cohen's kappa (1960) of two yes/no raters from counts, any shape; NaN where chance alone gives full agreement."""
    agreed = (total + 2 * both_yes - first_yes - second_yes) / total
    first, second = first_yes / total, second_yes / total
    return _beyond_chance(agreed, first * second + (1 - first) * (1 - second))


def fleiss(yes: np.ndarray, raters: int) -> np.ndarray:
    """Fleiss' kappa (1971) of `raters` yes/no answers a subject, NaN where all answers are the same.

    yes float [..., raters + 1]: how many subjects got 0, 1 ... `raters` times yes.
    """
    times = np.arange(raters + 1)
    same = (times * (times - 1) + (raters - times) * (raters - times - 1)) / (raters * (raters - 1))
    subjects = yes.sum(axis=-1)
    share = yes @ times / (subjects * raters)
    return _beyond_chance(yes @ same / subjects, share**2 + (1 - share) ** 2)


def _beyond_chance(agreed: np.ndarray, chance: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(chance < 1 - 1e-12, (agreed - chance) / (1 - chance), np.nan)


def _table(runs: Sequence[Sequence[Judgement]]) -> tuple[tuple[int, ...], list[str], np.ndarray]:
    """(variants, sample id of each video, answers float [videos, variants]: 1 yes, 0 no, NaN none)."""
    variants = tuple(sorted({one.variant for run in runs for one in run}))
    rows: dict[tuple[int, str], list[float]] = {}
    samples, seen = [], set()
    for number, run in enumerate(runs):
        for one in run:
            key = number, one.video_id
            if (*key, one.variant) in seen:
                raise ValueError(f"{one.video_id}: {one.question} in wording {one.variant} stands twice")
            seen.add((*key, one.variant))
            if key not in rows:
                rows[key] = [np.nan] * len(variants)
                samples.append(one.sample_id)
            rows[key][variants.index(one.variant)] = np.nan if one.yes is None else float(one.yes)
    return variants, samples, np.array(list(rows.values()))


def _agreement(
    question: str, variants: tuple[int, ...], samples: list[str], answers: np.ndarray, left_out: int, seed: int
) -> Agreement:
    """Of answers bool [videos, variants]. All statistics follow from how often each pattern of answers occurs."""
    patterns, which = np.unique(answers, axis=0, return_inverse=True)
    clusters = np.unique(samples, return_inverse=True)[1]
    counts = np.zeros((clusters.max() + 1, len(patterns)))
    np.add.at(counts, (clusters, which.ravel()), 1)
    drawn, observed = resampled(counts, seed), counts.sum(axis=0)
    times = patterns.sum(axis=1)
    by_times = (times[:, None] == np.arange(len(variants) + 1)).astype(float)

    def pair(table: np.ndarray, a: int, b: int) -> np.ndarray:
        first, second = patterns[:, a], patterns[:, b]
        return cohen(table @ (first & second), table @ first, table @ second, table.sum(axis=-1))

    pairs = {
        f"{variants[a]}-{variants[b]}": _kappa(pair(observed, a, b), pair(drawn, a, b))
        for a, b in itertools.combinations(range(len(variants)), 2)
    }
    all_of_them = _kappa(fleiss(observed @ by_times, len(variants)), fleiss(drawn @ by_times, len(variants)))
    disagreeing = int(observed[(times > 0) & (times < len(variants))].sum())
    shares = {str(variant): float(answers[:, place].mean()) for place, variant in enumerate(variants)}
    return Agreement(
        question,
        variants,
        len(answers),
        left_out,
        pairs,
        all_of_them,
        shares,
        disagreeing,
        disagreeing / len(answers),
        *interval(disagreeing, len(answers)),
        all_of_them.value is not None and all_of_them.value < LOW,
    )


def _kappa(value: np.ndarray, drawn: np.ndarray) -> Kappa:
    if np.isnan(value):
        return Kappa(None, None, None)
    return Kappa(float(value), *percentiles(drawn))
