"""How often one of two wins: a share with an exact interval, and an exact test, over pairs grouped by sample."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stats.bootstrap import percentiles, resampled_means, vary
from stats.paired import FLIPS, flip_test, sign_test

SIGNS = "sign test, exact"
CLOPPER_PEARSON, BOOTSTRAP = "Clopper-Pearson", "bootstrap over samples"


@dataclass(frozen=True)
class Wins:
    """`won` and `lost` pairs, `tied` ones beside them; `share` won of those decided (NaN: none is), its 95 % interval
    (low, high) by `interval`, and the two-sided `p_value` of `test`."""

    won: int
    lost: int
    tied: int
    samples: int
    share: float
    low: float
    high: float
    interval: str
    p_value: float
    test: str


def wins(gains: np.ndarray, samples: Sequence[str], seed: int = 0) -> Wins:
    """Wins of pairs whose gains are float [N], above 0 where won, NaN left out; `samples` [N] names what each is of.

    One pair a sample: the sign test and Clopper-Pearson's interval. Several: whole samples are flipped and resampled,
    since pairs of one sample are won together. Raises ValueError for other lengths.
    """
    values, groups = np.asarray(gains, np.float64), np.asarray(samples)
    if values.shape != groups.shape:
        raise ValueError(f"{values.shape} gains of {groups.shape} samples: give a sample for each gain")
    values, groups = values[~np.isnan(values)], groups[~np.isnan(values)]
    won, lost = int((values > 0).sum()), int((values < 0).sum())
    tied = len(values) - won - lost
    names, place = np.unique(groups, return_inverse=True)
    share = won / (won + lost) if won + lost else float("nan")
    by_won, by_lost = (np.bincount(place, side, len(names)) for side in (values > 0, values < 0))
    drawn = resampled_means(by_won[:, None], (by_won + by_lost)[:, None], seed)[:, 0] if len(names) else np.empty(0)
    if len(names) == len(values) or not vary(drawn):
        low, high = clopper_pearson(won, won + lost) if len(names) == len(values) else _alike(by_won, by_lost)
        interval = CLOPPER_PEARSON
    else:
        (low, high), interval = percentiles(drawn), BOOTSTRAP
    if len(names) == len(values):
        return Wins(won, lost, tied, len(names), share, low, high, interval, sign_test(won, lost), SIGNS)
    p_value = flip_test((by_won - by_lost).astype(np.int64))
    return Wins(won, lost, tied, len(names), share, low, high, interval, p_value, FLIPS)


def clopper_pearson(successes: int, n: int) -> tuple[float, float]:
    """The exact 95 % interval of a share (Clopper and Pearson 1934); (0, 1) when n is 0."""
    from scipy.stats import beta  # not at the top: it takes long to load

    low = float(beta.ppf(0.025, successes, n - successes + 1)) if successes else 0.0
    high = float(beta.ppf(0.975, successes + 1, n - successes)) if successes < n else 1.0
    return low, high


def _alike(won: np.ndarray, lost: np.ndarray) -> tuple[float, float]:
    """Samples that are all alike, each counted once."""
    decided = (won + lost) > 0
    return clopper_pearson(int((won > lost)[decided].sum()), int(decided.sum()))
