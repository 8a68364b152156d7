"""Seeds taken together, and two sets of runs compared in pairs on the same held-out tasks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stats.bootstrap import percentiles, resampled
from stats.paired import flip_test, sign_test
from stats.rates import interval

PARTS = 60  # an average of up to six verdicts is a whole number of sixtieths


@dataclass(frozen=True)
class Pool:
    """S runs of one setting: the mean of their shares, its 95 % interval, and each seed's own share."""

    mean: float
    low: float
    high: float
    seeds: tuple[float, ...]
    tasks: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Paired:
    """Ours against theirs, task by task, over `tasks` that are judged in all runs.

    `gain` is the difference of means, (low, high) its 95 % interval over tasks. `p_value` is exact and two-sided: of
    sign flips of whole tasks (with one run on each side McNemar's test), for log-odds of their signs. `apart`: +1 when
    every seed of ours is above every one of theirs, -1 when below, else 0; what the interval cannot know is how other
    seeds would have ended.
    """

    gain: float
    low: float
    high: float
    p_value: float
    tasks: int
    apart: int

    def __str__(self) -> str:
        return f"{self.gain:+.3f} [{self.low:+.3f}, {self.high:+.3f}], p = {self.p_value:.2g} on {self.tasks} tasks"


def pooled(values: Sequence[np.ndarray]) -> Pool | None:
    """Of S runs' verdicts float [N] each, 0..1 with NaN where a judgement failed; None when nothing was judged.

    The interval is Wilson's for as many verdicts as tasks are judged in any run. Seeds on one task are not independent,
    so it counts each task once: exact for one seed, and too wide rather than too narrow for several, as long as it is
    the chance of tasks and noise that is asked about; the seeds' own shares stand beside it for the chance of training.
    """
    table = np.stack([np.asarray(one, np.float64) for one in values])
    judged = ~np.isnan(table)
    tasks = int(judged.any(axis=0).sum())
    if not tasks or not judged.any(axis=1).all():
        return None
    seeds = tuple(float(np.nanmean(row)) for row in table)
    mean = float(np.mean(seeds))
    low, high = interval(min(max(mean, 0.0), 1.0) * tasks, tasks)
    return Pool(mean, low, high, seeds, tasks)


def paired(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray], seed: int = 0) -> Paired | None:
    """Compares S and R runs by values float [N] each (verdicts 0..1, or log-odds), NaN where a judgement failed.

    Tasks that failed in any run are left out; None when no task is left. The interval resamples tasks, each with all
    its runs (percentiles of 10,000 bootstrap means, the same for the same seed).
    """
    first, second = (np.stack([np.asarray(one, np.float64) for one in runs]) for runs in (ours, theirs))
    kept = ~(np.isnan(first).any(axis=0) | np.isnan(second).any(axis=0))
    tasks = int(kept.sum())
    if not tasks:
        return None
    first, second = first[:, kept], second[:, kept]
    difference = first.mean(axis=0) - second.mean(axis=0)
    low, high = percentiles(resampled(difference[:, None], seed)[:, 0] / tasks)
    a, b = first.mean(axis=1), second.mean(axis=1)
    apart = int(a.min() > b.max()) - int(a.max() < b.min())
    return Paired(float(difference.mean()), low, high, _p_value(first, second), tasks, apart)


def _p_value(first: np.ndarray, second: np.ndarray) -> float:
    """Of values [S, N] and [R, N]: verdicts are whole numbers once multiplied with all that they were divided by."""
    counts = PARTS * (len(second) * first.sum(axis=0) - len(first) * second.sum(axis=0))
    whole = np.round(counts)
    if np.allclose(counts, whole, rtol=0, atol=1e-6):
        sums = whole.astype(np.int64)
        return flip_test(sums // max(1, int(np.gcd.reduce(sums))))
    return sign_test(int((counts > 0).sum()), int((counts < 0).sum()))
