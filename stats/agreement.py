"""Agreement of raters who say yes or no: kappas with intervals.

Kappa is agreement beyond what the answers' frequencies give by chance: 1 whenever raters always agree, 0 at chance.
It is strict where nearly all answers are the same: a few changed ones then weigh much, so read it with the shares.

statsmodels.stats.inter_rater has the same statistics of one table of counts; here one call takes the 10,000 tables of
a bootstrap over samples.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stats.bootstrap import percentiles, resampled


@dataclass(frozen=True)
class Kappa:
    """A kappa with its 95 % bootstrap interval over samples; None where it is undefined: all answers are the same."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class RaterAgreement:
    """`pairs` holds Cohen's kappa of two raters by their places, `fleiss` Fleiss' kappa of all; `disagreeing` subjects
    got both answers."""

    pairs: dict[tuple[int, int], Kappa]
    fleiss: Kappa
    disagreeing: int


def rater_agreement(answers: np.ndarray, samples: Sequence[str], seed: int = 0) -> RaterAgreement:
    """Of answers bool [subjects, raters]; intervals resample the `samples` that subjects belong to.

    All statistics follow from how often each pattern of answers occurs.
    """
    raters = answers.shape[1]
    patterns, which = np.unique(answers, axis=0, return_inverse=True)
    clusters = np.unique(samples, return_inverse=True)[1]
    counts = np.zeros((clusters.max() + 1, len(patterns)))
    np.add.at(counts, (clusters, which.ravel()), 1)
    drawn, observed = resampled(counts, seed), counts.sum(axis=0)
    times = patterns.sum(axis=1)
    by_times = (times[:, None] == np.arange(raters + 1)).astype(float)

    def pair(table: np.ndarray, a: int, b: int) -> np.ndarray:
        first, second = patterns[:, a], patterns[:, b]
        return cohen(table @ (first & second), table @ first, table @ second, table.sum(axis=-1))

    pairs = {
        (a, b): _kappa(pair(observed, a, b), pair(drawn, a, b)) for a, b in itertools.combinations(range(raters), 2)
    }
    everybody = _kappa(fleiss(observed @ by_times, raters), fleiss(drawn @ by_times, raters))
    return RaterAgreement(pairs, everybody, int(observed[(times > 0) & (times < raters)].sum()))


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


def _kappa(value: np.ndarray, drawn: np.ndarray) -> Kappa:
    if np.isnan(value):
        return Kappa(None, None, None)
    return Kappa(float(value), *percentiles(drawn))
