"""A judged share without its judge's errors."""

import math
from dataclasses import dataclass

from stats.rates import Z95, Rate


class Uninformative(ValueError):
    """A judge whose yes is no likelier where yes is right: nothing can be concluded from its rate."""


@dataclass(frozen=True)
class Corrected:
    """A rate without its judge's errors, and its 95 % interval, within 0..1.

    `raw` is the estimate before it is cut to 0..1, `clipped` whether it was. `informedness` is sensitivity +
    specificity - 1: errors of the judged rate grow by one over it.
    """

    share: float
    low: float
    high: float
    raw: float
    clipped: bool
    informedness: float


def corrected(judged: Rate, sensitivity: Rate, specificity: Rate) -> Corrected:
    """The right share behind a judged one (Rogan and Gladen 1978), with the interval of Lang and Reiczigel (2014).

    (judged + specificity - 1) / (sensitivity + specificity - 1), where sensitivity and specificity come from videos
    judged by both judges, other ones than those of `judged`. Its limits: it presumes that the judge errs as often on
    these videos as on those; the closer informedness is to 0, the wider the interval; outside 0..1 the estimate is cut,
    which biases it. It corrects a rate and no single answer, and a difference of two models only in size, never in
    sign, since one line corrects both.

    Raises Uninformative when sensitivity + specificity is at most 1, and ValueError where one rests on no answer.
    """
    for name, rate in (("judged", judged), ("sensitivity", sensitivity), ("specificity", specificity)):
        if not rate.valid:
            raise ValueError(f"{name} is based on no answers: it needs at least 1")
    informedness = sensitivity.share + specificity.share - 1
    if informedness <= 0:
        raise Uninformative(
            f"sensitivity {sensitivity.share:.3f} and specificity {specificity.share:.3f}: their sum must be above 1"
        )
    raw = (judged.share + specificity.share - 1) / informedness
    low, high = _interval(judged, sensitivity, specificity)
    share = min(1.0, max(0.0, raw))
    return Corrected(share, min(low, share), max(high, share), raw, share != raw, informedness)


def _interval(judged: Rate, sensitivity: Rate, specificity: Rate) -> tuple[float, float]:
    """Counts are first drawn towards one half, so that shares of 0 and 1 keep a width."""
    z2 = Z95**2
    n, n_se, n_sp = judged.valid + z2, sensitivity.valid + 2, specificity.valid + 2
    p = (judged.successes + z2 / 2) / n
    se, sp = (sensitivity.successes + 1) / n_se, (specificity.successes + 1) / n_sp
    informed = se + sp - 1
    if informed <= 0:
        return 0.0, 1.0
    share = (p + sp - 1) / informed
    of_se, of_sp = se * (1 - se) / n_se, sp * (1 - sp) / n_sp
    centre = share + 2 * z2 * (share * of_se - (1 - share) * of_sp)
    half = Z95 * math.sqrt(p * (1 - p) / n + share**2 * of_se + (1 - share) ** 2 * of_sp) / informed
    return max(0.0, centre - half), min(1.0, centre + half)
