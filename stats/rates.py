"""Shares of success: counts, what failed beside them, and intervals from the counts alone; and that of a median."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Z95 = 1.959963984540054  # two-sided 95 % of the normal distribution
ENOUGH = 20  # valid answers before one and the same to all of them means something


@dataclass(frozen=True)
class Rate:
    """A success share: `successes` of `valid` judgements, and how many `failed` beside them.

    `share` drops failures, as the paper's Table 4 does. Raises ValueError for impossible counts.
    """

    successes: int
    valid: int
    failed: int = 0

    def __post_init__(self):
        if not 0 <= self.successes <= self.valid:
            raise ValueError(f"{self.successes} successes of {self.valid}: successes must be from 0 to valid")
        if self.failed < 0:
            raise ValueError(f"{self.failed} failed judgements: the number cannot be below 0")

    @property
    def total(self) -> int:
        return self.valid + self.failed

    @property
    def share(self) -> float:
        """Successes over valid judgements, NaN where there is none."""
        return self.successes / self.valid if self.valid else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of `share`."""
        return interval(self.successes, self.valid)

    @property
    def failure_rate(self) -> float:
        """Failed over all judgements, NaN where there is none."""
        return self.failed / self.total if self.total else math.nan


def interval(successes: int, n: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a share (Wilson 1927), within 0..1; (0, 1) when n is 0.

    Raises ValueError unless 0 <= successes <= n.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}: successes must be from 0 to n")
    return _wilson(successes / n, n) if n else (0.0, 1.0)


def mean_interval(mean: float, n: int) -> tuple[float, float]:
    """Wilson's interval about the mean of `n` values within 0..1, as if it were a share; (0, 1) when n is 0.

    Such values vary at most as much as successes and failures with that mean (Bhatia and Davis 2000), so that it is at
    least as wide as it has to be.
    """
    return _wilson(min(max(mean, 0.0), 1.0), n) if n else (0.0, 1.0)


def paired_interval(better: float, worse: float, n: int) -> tuple[float, float]:
    """The 95 % score interval of the difference of two shares over the same `n` pairs (Tango 1998), within -1..1.

    `better` and `worse` pairs were solved by the first or the second alone. They may be sums of parts of pairs, which
    vary less than whole ones do. (-1, 1) when n is 0. Raises ValueError unless 0 <= better + worse <= n.
    """
    if better < 0 or worse < 0 or better + worse > n * (1 + 1e-9):
        raise ValueError(f"{better} better and {worse} worse of {n} pairs: their sum must be from 0 to the pairs")
    if not n:
        return -1.0, 1.0
    gain = (better - worse) / n

    def inside(difference: float) -> bool:
        """Whether the score test does not reject this difference at 5 %."""
        linear = (2 * n - better + worse) * difference - better - worse
        root = math.sqrt(max(0.0, linear**2 + 8 * n * worse * difference * (1 - difference)))
        only_second = (root - linear) / (4 * n)  # its chance that is likeliest under this difference
        variance = n * max(0.0, 2 * only_second + difference * (1 - difference))
        return (better - worse - n * difference) ** 2 <= Z95**2 * variance

    return _edge(inside, gain, -1.0), _edge(inside, gain, 1.0)


def _edge(inside: Callable[[float], bool], near: float, far: float) -> float:
    """The last number from `near`, which is inside, towards `far` that is inside too, by halving."""
    if near == far:
        return far
    for _ in range(60):
        middle = (near + far) / 2
        near, far = (middle, far) if inside(middle) else (near, middle)
    return near


def _wilson(share: float, n: float) -> tuple[float, float]:
    z2 = Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return (0.0 if share == 0 else centre - half), (1.0 if share == 1 else centre + half)


def rate(log_odds: np.ndarray) -> Rate:
    """Of log-odds float, any shape, NaN where a judgement failed; success is above 0."""
    values = np.asarray(log_odds, np.float64)
    failed = int(np.isnan(values).sum())
    return Rate(int((values > 0).sum()), values.size - failed, failed)


def probability(log_odds: np.ndarray) -> np.ndarray:
    """p(yes) / (p(yes) + p(no)) of natural log-odds."""
    return 0.5 * (1 + np.tanh(0.5 * log_odds))


def median_interval(values: np.ndarray) -> tuple[float, float, bool]:
    """The order statistics of float [n], n >= 1, that hold the median in at least 95 % of samples, and whether there
    are such: below 6 values there are none, and it is the range. (Binomial(n, 1/2) counts the values below.)"""
    from scipy.stats import binom

    ordered, n = np.sort(np.asarray(values, np.float64)), len(values)
    rank = int(binom.ppf(0.025, n, 0.5))  # P(fewer than `rank` of n below the median) < 2.5 %
    last = n - rank if rank else n - 1
    return float(ordered[max(rank - 1, 0)]), float(ordered[last]), rank > 0
