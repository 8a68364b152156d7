"""Pieces of inline SVG charts. Positions are percentages, so a chart fits any width and its letters stay readable.

No colours here: every mark has a class and the page's style sheet decides, in light and dark. No style attributes: the
page's security policy refuses them.
"""

import math
from collections.abc import Sequence

from markupsafe import Markup


def bar(parts: Sequence[tuple[str, float]], label: str) -> Markup:
    """A horizontal bar of consecutive (class, share) parts; shares are of the full width and sum to at most 1."""
    marks, x = [], 0.0
    for name, share in parts:
        # A part that exists stays visible, however small.
        width = max(100 * share, 0.4) if share > 0 else 0
        marks.append(
            Markup('<rect class="{}" x="{}%" width="{}%" height="100%"/>').format(name, short(x), short(width))
        )
        x += width
    return Markup('<svg class="bar" role="img" aria-label="{}">{}</svg>').format(label, Markup("").join(marks))


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
