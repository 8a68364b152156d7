"""Numbers as people read them, and round values for axes."""

import math
from collections.abc import Sequence

import numpy as np


def value_ticks(low: float, high: float, log: bool = False) -> list[float]:
    """About five round values from `low` to `high`."""
    if log:
        powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
        stride = max(1, math.ceil(len(powers) / 6))
        return [10.0**power for power in powers][::stride] or [low, high]
    step = nice((high - low) / 6)
    return [
        round(step * index, 10) for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]


def number(value: float) -> str:
    """A value for a person: thousands grouped, about four digits, no exponent."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.4g}" if abs(value) >= 1e-4 else f"{value:.6f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def nice(step: float, factors: Sequence[float] = (1, 2, 2.5, 5, 10)) -> float:
    """The smallest of `factors` times a power of ten that is at least `step`."""
    power = 10.0 ** math.floor(math.log10(step)) if step > 0 else 1.0
    return next(power * factor for factor in factors if power * factor >= step * (1 - 1e-9))


def short(value: float) -> str:
    """A coordinate, to a thousandth."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def root_axis(counts: np.ndarray) -> bool:
    """Whether the tallest bin is so far above the typical one that a linear axis would hide the rest."""
    filled = counts[counts > 0]
    return len(filled) > 2 and bool(counts.max() > 20 * np.median(filled))


def count_ticks(top: int, root: bool) -> list[int]:
    """Up to four whole counts to draw grid lines at, the largest at most `top`."""
    if root:
        # On a square-root axis these stand near the full height, half and a fifth of it.
        return sorted({max(_round_down(top // part), 1) for part in (1, 4, 25)})
    step = max(int(nice(top / 4, (1, 2, 5, 10))), 1)
    return list(range(step, top + 1, step))


def _round_down(count: int) -> int:
    """The largest of 1, 2 and 5 times a power of ten that is at most `count`; 0 for 0."""
    power = 10 ** (len(str(count)) - 1)
    return max((power * factor for factor in (1, 2, 5) if power * factor <= count), default=0)
