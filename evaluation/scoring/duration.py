"""How long videos took, end to end: Table 1's last column with intervals."""

import numpy as np

from evaluation.scoring.score_file import Estimate, Seconds, estimate
from stats.bootstrap import resampled_means, spread

ORDER, RANGE = "order statistics", "smallest and largest: too few videos for 95 %"


def seconds_of(seconds: np.ndarray, vlm_seconds: np.ndarray) -> Seconds | None:
    """Of float64 [N samples, K seeds], NaN without a video; None when no video has a time.

    The mean's interval resamples samples, the median's is free of any distribution. Videos of one batch share its time
    out, so the spread within a batch is not seen.
    """
    timed = seconds > 0
    if not timed.any():
        return None
    values = np.where(timed, seconds, 0.0)
    drawn = resampled_means(values.sum(axis=1)[:, None], timed.sum(axis=1)[:, None])[:, 0]
    vlm = float(np.where(timed, vlm_seconds, 0.0).sum())
    return Seconds(
        videos=int(timed.sum()),
        median=median(seconds[timed]),
        mean=estimate(float(seconds[timed].mean()), *spread(drawn), "bootstrap over samples"),
        vlm_share=round(vlm / float(values.sum()), 9),
    )


def median(values: np.ndarray) -> Estimate:
    """The median of float [n], n >= 1, between the order statistics that hold it in at least 95 % of samples.

    Below 6 values no such pair exists: the interval is then the range. (Binomial(n, 1/2) counts the values below.)
    """
    from scipy.stats import binom

    ordered = np.sort(np.asarray(values, np.float64))
    n = len(ordered)
    rank = int(binom.ppf(0.025, n, 0.5))  # P(fewer than `rank` of n below the median) < 2.5 %
    if rank < 1:
        return estimate(float(np.median(ordered)), float(ordered[0]), float(ordered[-1]), RANGE)
    return estimate(float(np.median(ordered)), float(ordered[rank - 1]), float(ordered[n - rank]), ORDER)
