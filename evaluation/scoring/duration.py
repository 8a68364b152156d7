"""How long videos took, end to end: Table 1's last column with intervals."""

import numpy as np

from evaluation.scoring.score_file import Estimate, Seconds, estimate
from stats.bootstrap import resampled_means, spread
from stats.rates import median_interval

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
    """The median of float [n], n >= 1, with an interval that is free of any distribution (stats/rates.py)."""
    low, high, enough = median_interval(values)
    return estimate(float(np.median(values)), low, high, ORDER if enough else RANGE)
