"""Small charts as inline SVG. Positions are percentages, so a chart fits any width and its letters stay readable.

No colours here: every mark has a class and the page's style sheet decides, in light and dark. No style attributes: the
page's security policy refuses them.
"""

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup, escape

HEIGHT, AXIS, TOP = 150, 22, 16  # pixels: the plot, the strip of tick labels below it, the strip of threshold labels


def bar(parts: Sequence[tuple[str, float]], label: str) -> Markup:
    """A horizontal bar of consecutive (class, share) parts; shares are of the full width and sum to at most 1."""
    marks, x = [], 0.0
    for name, share in parts:
        # A part that exists stays visible, however small.
        width = max(100 * share, 0.4) if share > 0 else 0
        marks.append(
            Markup('<rect class="{}" x="{}%" width="{}%" height="100%"/>').format(name, _short(x), _short(width))
        )
        x += width
    return Markup('<svg class="bar" role="img" aria-label="{}">{}</svg>').format(label, Markup("").join(marks))


def histogram(
    edges: np.ndarray,
    stacks: Sequence[tuple[str, np.ndarray]],
    thresholds: Sequence[tuple[str, float]],
    label: str,
    log: bool = False,
) -> Markup:
    """Stacked counts per bin. `stacks` are (class, counts), bottom first; `thresholds` are (side, value) dashed lines.

    `log` spaces the horizontal axis by logarithm. The vertical axis is linear, or a square root when one bin would
    dwarf the others: see `root_axis`.
    """
    counts = np.sum([stack for _, stack in stacks], axis=0)
    top = max(int(counts.max()), 1)
    root = root_axis(counts)

    def y(count: float) -> float:
        share = math.sqrt(count / top) if root else count / top
        return TOP + HEIGHT * (1 - share)

    def x(value: float) -> str:
        return _short(100 * position(value, edges, log))

    marks = []
    for count in count_ticks(top, root):
        marks.append(Markup('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(_short(y(count))))
        marks.append(
            Markup('<text class="tick" x="-6" y="{}" text-anchor="end">{}</text>').format(
                _short(y(count) + 4), f"{count:,}"
            )
        )
    width = 100 / (len(edges) - 1)
    for index, total in enumerate(counts):
        below = 0
        title = f"{number(edges[index])} to {number(edges[index + 1])}: " + ", ".join(
            f"{int(stack[index]):,} {name}" for name, stack in stacks
        )
        rects = []
        for name, stack in stacks:
            if not stack[index]:
                continue
            high, low = y(below + int(stack[index])), y(below)
            rects.append(
                Markup('<rect class="{}" x="{}%" y="{}" width="{}%" height="{}"/>').format(
                    name, _short(index * width), _short(high), _short(width * 0.92), _short(max(low - high, 1))
                )
            )
            below += int(stack[index])
        if total:
            marks.append(Markup("<g><title>{}</title>{}</g>").format(title, Markup("").join(rects)))
    base = TOP + HEIGHT
    marks.append(Markup('<line class="axis" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(base))
    for value in value_ticks(float(edges[0]), float(edges[-1]), log):
        place = position(value, edges, log)
        anchor = "start" if place < 0.04 else "end" if place > 0.96 else "middle"
        marks.append(
            Markup('<text class="tick" x="{}%" y="{}" text-anchor="{}">{}</text>').format(
                x(value), base + 15, anchor, number(value)
            )
        )
    for side, value in thresholds:
        anchor = "start" if position(value, edges, log) < 0.5 else "end"
        marks.append(
            Markup(
                '<g class="threshold" data-side="{0}"><line x1="{1}%" x2="{1}%" y1="{2}" y2="{3}"/>'
                '<text x="{1}%" y="10" text-anchor="{4}">{5}</text></g>'
            ).format(side, x(value), TOP - 3, base, anchor, number(value))
        )
    return Markup('<svg class="histogram" height="{}" role="img" aria-label="{}">{}</svg>').format(
        base + AXIS, escape(label), Markup("").join(marks)
    )


def root_axis(counts: np.ndarray) -> bool:
    """Whether the tallest bin is so far above the typical one that a linear axis would hide the rest."""
    filled = counts[counts > 0]
    return len(filled) > 2 and bool(counts.max() > 20 * np.median(filled))


def position(value: float, edges: np.ndarray, log: bool) -> float:
    """Where `value` lies between the first edge, 0, and the last, 1; clamped."""
    low, high = float(edges[0]), float(edges[-1])
    if log:
        value, low, high = math.log(max(value, low)), math.log(low), math.log(high)
    return min(max((value - low) / (high - low), 0.0), 1.0)


def count_ticks(top: int, root: bool) -> list[int]:
    """Up to four whole counts to draw grid lines at, the largest at most `top`."""
    if root:
        # On a square-root axis these stand near the full height, half and a fifth of it.
        return sorted({max(_round_down(top // part), 1) for part in (1, 4, 25)})
    step = max(int(_nice(top / 4, (1, 2, 5, 10))), 1)
    return list(range(step, top + 1, step))


def value_ticks(low: float, high: float, log: bool) -> list[float]:
    """About five round values from `low` to `high`."""
    if log:
        powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
        stride = max(1, math.ceil(len(powers) / 6))
        return [10.0**power for power in powers][::stride] or [low, high]
    step = _nice((high - low) / 6)
    return [
        round(step * index, 10) for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]


def number(value: float) -> str:
    """A value for a person: thousands grouped, about four digits, no exponent."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.4g}" if abs(value) >= 1e-4 else f"{value:.6f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def _nice(step: float, factors: Sequence[float] = (1, 2, 2.5, 5, 10)) -> float:
    """The smallest of `factors` times a power of ten that is at least `step`."""
    power = 10.0 ** math.floor(math.log10(step)) if step > 0 else 1.0
    return next(power * factor for factor in factors if power * factor >= step * (1 - 1e-9))


def _round_down(count: int) -> int:
    """The largest of 1, 2 and 5 times a power of ten that is at most `count`; 0 for 0."""
    power = 10 ** (len(str(count)) - 1)
    return max((power * factor for factor in (1, 2, 5) if power * factor <= count), default=0)


def _short(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
