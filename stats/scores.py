"""What one model scored on a benchmark: success shares by question, and their mean with its interval.

A video succeeds on a question when its log-odds are above 0. A failed judgement (NaN) leaves the denominator, as in the
paper's Table 4, and is counted beside it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stats.bootstrap import percentiles, resampled_means, vary
from stats.paired import by_sample
from stats.rates import Rate, mean_interval, rate


@dataclass(frozen=True)
class Scores:
    """What one model scored: a rate by question, and the mean of the rates with its 95 % interval."""

    name: str
    videos: int
    rates: dict[str, Rate]
    mean: float
    low: float
    high: float


def score(name: str, log_odds: Mapping[str, np.ndarray], seed: int = 0) -> Scores:
    """The scores of videos from log-odds float [N] or [N, seeds] by question, NaN where a judgement failed.

    The mean is that of the questions' shares; its interval resamples the N tasks (percentiles of 10,000 bootstrap
    means, the same for the same seed), or, where all tasks are alike, is the mean of the shares' Wilson limits. Raises
    ValueError when the questions have different numbers of videos or there is none.
    """
    tables = {question: by_sample(values) for question, values in log_odds.items()}
    sizes = {question: table.size for question, table in tables.items()}
    if len({table.shape for table in tables.values()}) != 1 or 0 in sizes.values():
        raise ValueError(f"{name}: judgements by question {sizes}: each needs the same number, at least 1")
    table = np.stack(list(tables.values()), axis=-1)
    rates = {question: rate(values) for question, values in tables.items()}
    mean = float(np.mean([one.share for one in rates.values()]))
    counts = (~np.isnan(table)).sum(axis=1)
    means = resampled_means((table > 0).sum(axis=1), counts, seed).mean(axis=1)
    if math.isnan(mean) or vary(means):
        limits = percentiles(means)
    else:
        tasks = (counts > 0).sum(axis=0).tolist()
        limits = np.mean([mean_interval(one.share, n) for one, n in zip(rates.values(), tasks, strict=True)], axis=0)
    return Scores(name, table[..., 0].size, rates, mean, *map(float, limits))
