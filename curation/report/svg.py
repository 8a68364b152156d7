"""Histograms as inline SVG, in the manner of pages/svg.py."""

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup, escape

from pages.svg import nice, number, short, value_ticks

HEIGHT, AXIS, TOP = 150, 22, 16  # pixels: the plot, the strip of tick labels below it, the strip of threshold labels


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
        return short(100 * position(value, edges, log))

    marks = []
    for count in count_ticks(top, root):
        marks.append(Markup('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(short(y(count))))
        marks.append(
            Markup('<text class="tick" x="-6" y="{}" text-anchor="end">{}</text>').format(
                short(y(count) + 4), f"{count:,}"
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
                    name, short(index * width), short(high), short(width * 0.92), short(max(low - high, 1))
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
    step = max(int(nice(top / 4, (1, 2, 5, 10))), 1)
    return list(range(step, top + 1, step))


def _round_down(count: int) -> int:
    """The largest of 1, 2 and 5 times a power of ten that is at most `count`; 0 for 0."""
    power = 10 ** (len(str(count)) - 1)
    return max((power * factor for factor in (1, 2, 5) if power * factor <= count), default=0)
