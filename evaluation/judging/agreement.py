"""How far a judge's answers depend on the words it is asked in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.records import Judgement
from stats.agreement import Kappa, rater_agreement
from stats.rates import ENOUGH, interval

LOW = 0.6  # a kappa below it is flagged: Landis and Koch (1977) call more than that substantial


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
        raise ValueError(f"judgements of {judges}: give those of one judge only")
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


def _table(runs: Sequence[Sequence[Judgement]]) -> tuple[tuple[int, ...], list[str], np.ndarray]:
    """(variants, sample id of each video, answers float [videos, variants]: 1 yes, 0 no, NaN none)."""
    variants = tuple(sorted({one.variant for run in runs for one in run}))
    rows: dict[tuple[int, str], list[float]] = {}
    samples, seen = [], set()
    for number, run in enumerate(runs):
        for one in run:
            key = number, one.video_id
            if (*key, one.variant) in seen:
                raise ValueError(f"{one.video_id}: {one.question} in wording {one.variant} appears twice")
            seen.add((*key, one.variant))
            if key not in rows:
                rows[key] = [np.nan] * len(variants)
                samples.append(one.sample_id)
            rows[key][variants.index(one.variant)] = np.nan if one.yes is None else float(one.yes)
    return variants, samples, np.array(list(rows.values()))


def _agreement(
    question: str, variants: tuple[int, ...], samples: list[str], answers: np.ndarray, left_out: int, seed: int
) -> Agreement:
    """Of answers bool [videos, variants]."""
    found = rater_agreement(answers, samples, seed)
    return Agreement(
        question,
        variants,
        len(answers),
        left_out,
        {f"{variants[a]}-{variants[b]}": kappa for (a, b), kappa in found.pairs.items()},
        found.fleiss,
        {str(variant): float(answers[:, place].mean()) for place, variant in enumerate(variants)},
        found.disagreeing,
        found.disagreeing / len(answers),
        *interval(found.disagreeing, len(answers)),
        found.fleiss.value is not None and found.fleiss.value < LOW,
    )
