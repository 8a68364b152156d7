"""Two models on the same tasks from the same noise: what one solves and the other does not."""

from dataclasses import dataclass

import numpy as np

from stats.bootstrap import percentiles, resampled_means, vary
from stats.rates import paired_interval

MCNEMAR, FLIPS = "McNemar, exact", "sign flips of whole samples, exact"


@dataclass(frozen=True)
class Comparison:
    """Two models on the same videos' tasks, over `pairs` (sample and seed) judged for both, of `samples` tasks.

    `better` and `worse` count the pairs in which only the first or only the second succeeded. `gain` is the difference
    of shares, (low, high) its 95 % paired bootstrap interval over samples (`alike_interval` where all samples are
    alike), `p_value` that of `test`, exact and two-sided.
    """

    pairs: int
    better: int
    worse: int
    gain: float
    low: float
    high: float
    p_value: float
    samples: int = 0
    test: str = MCNEMAR


def compare(ours: np.ndarray, theirs: np.ndarray, seed: int = 0) -> Comparison:
    """Two models' answers to one question about the same tasks and seeds: log-odds float, NaN where failed.

    Shapes [N], one video a task, or [N, seeds]. With one seed the test is McNemar's; with several it flips the signs of
    whole tasks (`flip_test`), which is McNemar's again when each task has one pair. Raises ValueError for different
    shapes, or when no pair is judged for both.
    """
    first, second = by_sample(ours), by_sample(theirs)
    if first.shape != second.shape:
        raise ValueError(f"log-odds of shapes {np.shape(ours)} and {np.shape(theirs)}: both must have one shape")
    better, worse, both = outcomes(first, second)
    pairs, won, lost = int(both.sum()), int(better.sum()), int(worse.sum())
    if not pairs:
        raise ValueError(f"there is nothing to compare: none of {first.size} pairs is judged for both")
    gains = better.astype(np.float64) - worse
    drawn = resampled_means(gains.sum(axis=1)[:, None], both.sum(axis=1)[:, None], seed)[:, 0]
    low, high = percentiles(drawn) if vary(drawn) else alike_interval(gains, both)
    p_value, test = tested(better, worse)
    samples = int(both.any(axis=1).sum())
    return Comparison(pairs, won, lost, (won - lost) / pairs, low, high, p_value, samples, test)


def outcomes(ours: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of log-odds of one shape, bool: only ours succeeded, only theirs did, both were judged."""
    both = ~(np.isnan(ours) | np.isnan(theirs))
    return (ours > 0) & (theirs <= 0) & both, (ours <= 0) & (theirs > 0) & both, both


def alike_interval(gains: np.ndarray, both: np.ndarray) -> tuple[float, float]:
    """Tango's 95 % interval of a mean gain where all samples gain alike, as if each were one pair.

    `gains` float [N, seeds] within -1..1, 0 where `both`, bool of that shape, is not set.
    """
    counts = both.sum(axis=1)
    judged = counts > 0
    better, worse = (
        float((np.maximum(side, 0.0).sum(axis=1)[judged] / counts[judged]).sum()) for side in (gains, -gains)
    )
    return paired_interval(better, worse, int(judged.sum()))


def tested(better: np.ndarray, worse: np.ndarray) -> tuple[float, str]:
    """The p-value of outcomes bool [N, seeds], and by which test: McNemar's with one seed, else by flips of samples."""
    if better.shape[1] == 1:
        return sign_test(int(better.sum()), int(worse.sum())), MCNEMAR
    return flip_test(better.sum(axis=1) - worse.sum(axis=1)), FLIPS


def by_sample(log_odds: np.ndarray) -> np.ndarray:
    """float64 [N] or [N, seeds] as [N, seeds]. Raises ValueError for other shapes."""
    values = np.asarray(log_odds, np.float64)
    if values.ndim not in (1, 2):
        raise ValueError(f"log-odds of shape {values.shape}: give [N] or [N, seeds]")
    return values.reshape(len(values), -1)


def sign_test(better: int, worse: int) -> float:
    """The exact two-sided p-value that `better` and `worse` come from a fair coin (McNemar's exact test)."""
    from scipy.stats import binomtest  # not at the top: it takes longer to load than most of this project

    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def flip_test(differences: np.ndarray) -> float:
    """The exact two-sided p-value of a sum of whole numbers int [N] when each one's sign is a fair coin's.

    The share of the 2^N sums that are at least as far from 0, from their distribution, not from draws.
    """
    from scipy.stats import binom

    sizes, counts = np.unique(np.abs(np.asarray(differences, np.int64)), return_counts=True)
    chances = np.ones(1)  # of the sums from -(n - 1) / 2 to (n - 1) / 2
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        if size:
            coins = np.zeros(2 * size * count + 1)
            coins[:: 2 * size] = binom.pmf(np.arange(count + 1), count, 0.5)
            chances = np.convolve(chances, coins)
    centre, seen = len(chances) // 2, abs(int(np.sum(differences)))
    return min(1.0, 2 * float(chances[centre + seen :].sum())) if seen else 1.0
