"""The bootstrap over samples: a benchmark's tasks are drawn with replacement, each with all its seeds.

Videos of one task succeed and fail together, so that drawing videos would make intervals too narrow. All statistics of
a run, and of runs over as many tasks, share one set of draws: they are the same for the same number of tasks and seed.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

RESAMPLES = 10_000
BLOCK = 1_000_000  # samples drawn together, which bounds memory
KEPT = 50_000_000  # draws of up to this many bytes are kept for the next call
NOISE = 1e-9  # the most by which sums of the same values in another order differ


def resampled(columns: np.ndarray, seed: int = 0) -> np.ndarray:
    """Sums of `columns` float [samples, k] over 10,000 resamples of the samples: float64 [10,000, k].

    Raises ValueError when there is no sample.
    """
    table = np.asarray(columns, np.float64)
    if not len(table):
        raise ValueError("there are no samples to draw from: give at least 1")
    # Columns that repeat each other, or are one number throughout, as counts without failures are, cost nothing more.
    varying = [place for place, column in enumerate(table.T) if (column != column[0]).any()]
    first = {table[:, place].tobytes(): place for place in reversed(varying)}
    kept = sorted(first.values())
    sums = np.tile(table[0] * len(table), (RESAMPLES, 1))
    if kept:
        part = np.ascontiguousarray(table[:, kept])
        made = np.concatenate([counts.astype(np.float64) @ part for counts in _draws(len(table), seed)])
        sums[:, varying] = made[:, [kept.index(first[table[:, place].tobytes()]) for place in varying]]
    return sums


def resampled_means(values: np.ndarray, valid: np.ndarray, seed: int = 0) -> np.ndarray:
    """Means of each of k columns over 10,000 resamples, float64 [10,000, k], NaN where a resample holds none.

    `values` and `valid` float [samples, k]: the sum of a sample's valid values, and how many they are.
    """
    columns = values.shape[1]
    sums = resampled(np.concatenate([values, valid], axis=1), seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sums[:, columns:] > 0, sums[:, :columns] / sums[:, columns:], np.nan)


def percentiles(means: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile interval of bootstrap statistics float [N], NaN left out; (NaN, NaN) when none is known."""
    known = means[~np.isnan(means)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def vary(means: np.ndarray) -> bool:
    """Whether bootstrap statistics float [N], NaN left out, differ. Where all samples are alike they do not: their
    percentiles are then one number, which is no interval, since nobody knows that other samples would be alike too."""
    known = means[~np.isnan(means)]
    return len(known) > 0 and float(np.ptp(known)) > NOISE


def spread(means: np.ndarray) -> tuple[float, float]:
    """`percentiles` of statistics that vary; (NaN, NaN), no interval, where they do not."""
    return percentiles(means) if vary(means) else (float("nan"), float("nan"))


def _draws(samples: int, seed: int) -> Iterator[np.ndarray]:
    if samples * RESAMPLES <= KEPT:
        yield from _kept(samples, seed)
    else:
        yield from _made(samples, seed)


@lru_cache(maxsize=2)
def _kept(samples: int, seed: int) -> tuple[np.ndarray, ...]:
    return tuple(_made(samples, seed))


def _made(samples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each resample of a block holds each sample, uint8 [block, samples].

    More than 255 times, among at most 255 samples, cannot be; among more of them it is a chance below 1e-300.
    """
    rng = np.random.default_rng(seed)
    block, left = max(1, min(RESAMPLES, BLOCK // samples)), RESAMPLES
    while left:
        size = min(block, left)
        drawn = rng.integers(0, samples, (size, samples)) + np.arange(size)[:, None] * samples
        yield np.bincount(drawn.ravel(), minlength=size * samples).reshape(size, samples).astype(np.uint8)
        left -= size
