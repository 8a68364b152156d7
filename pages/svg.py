"""Charts as inline SVG. Positions are percentages, so a chart fits any width and its letters stay readable.

No colours here: every mark has a class and the page's style sheet decides, in light and dark. No style attributes: the
page's security policy refuses them. Lines lie in an inner picture that stretches; letters and markers keep their size.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pages.charts import Histogram, Level, Lines, Series
from pages.numbers import count_ticks, number, root_axis, short, value_ticks
from pages.roles import MARKERS, STYLES

HEIGHT, FOOT = 250, 40  # pixels: plot of lines, below it (tick labels and the axis' name)
ABOVE, ABOVE_TWICE = 10, 40  # above the plot, without and with an axis of the paper's there
LEAST_SPREAD = 0.2  # of an axis of shares: less would blow up noise
MANY = 40  # points of a line: more have no markers
BARS, AXIS, TOP = 150, 22, 16  # of a histogram: the plot, the strip of tick labels below it, that of limits above
SHORTEST_DECADES = 0.05  # of a logarithmic axis beyond its values


@dataclass(frozen=True)
class Scale:
    """Values of an axis, by their logarithm where `log`."""

    low: float
    high: float
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies between the lowest, 0, and the highest, 1."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log(max(value, low)), math.log(low), math.log(high)
        return (value - low) / (high - low)


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
    return _picture("bar", label, marks)


def span(
    value: float | None, low: float | None, high: float | None, label: str, kind: str = "", zero: bool = False
) -> Markup:
    """A dot with its interval on a track from 0 to 1, or with `zero` from -1 to 1 with a mark at 0. `kind`: a class."""

    def x(number: float) -> str:
        return _percent(min(1.0, max(0.0, (number + 1) / 2 if zero else number)))

    marks = [Markup('<line class="track" x1="0" x2="100%" y1="50%" y2="50%"/>')]
    for place in ("50%",) if zero else ("0%", "25%", "50%", "75%", "100%"):
        marks.append(Markup('<line class="grid" x1="{0}" x2="{0}" y1="0" y2="100%"/>').format(place))
    if low is not None and high is not None:
        marks.append(Markup('<line class="ci" x1="{}" x2="{}" y1="50%" y2="50%"/>').format(x(low), x(high)))
        for edge in (low, high):
            marks.append(Markup('<line class="ci" x1="{0}" x2="{0}" y1="25%" y2="75%"/>').format(x(edge)))
    if value is not None:
        marks.append(Markup('<circle class="dot" cx="{}" cy="50%" r="4.5"/>').format(x(value)))
    return _picture(f"span {kind}", label, marks)


def lines(chart: Lines) -> Markup:
    """A chart of lines. A screen reader says its title and what it goes by."""
    ours, papers = [one for one in chart.series if one.ours], [one for one in chart.series if not one.ours]
    places = _scale([x for one in (ours if chart.x_paper else chart.series) for x in one.x], bool(chart.x_labels))
    beyond = _scale([x for one in papers for x in one.x]) if chart.x_paper else places
    height, top = _heights(chart), ABOVE_TWICE if chart.x_paper else ABOVE

    def at(one: Series, x: float) -> float:
        return (places if one.ours else beyond).share(x)

    def y(value: float) -> float:
        return top + HEIGHT * (1 - height.share(value))

    marks: list[Markup] = []
    for tick in value_ticks(height.low, height.high, height.log):
        marks.append(_across("grid", y(tick)))
        marks.append(_text("-6", y(tick) + 4, "end", number(tick)))
    base = top + HEIGHT
    marks.append(_across("axis", base))
    for tick, name in list(enumerate(chart.x_labels)) or [(tick, number(tick)) for tick in _whole_ticks(places)]:
        marks.append(_text(_percent(places.share(tick)), base + 15, _anchor(places.share(tick)), name))
    marks.append(_text("50%", base + 33, "middle", chart.x_name, "name"))
    marks.append(
        Markup('<text class="name" transform="rotate(-90)" x="{}" y="-44" text-anchor="middle">{}</text>').format(
            -(top + HEIGHT // 2), chart.y_name
        )
    )
    if chart.x_paper:
        marks.append(_text("50%", 11, "middle", chart.x_paper, "name theirs"))
        for tick in _whole_ticks(beyond):
            share = beyond.share(tick)
            marks.append(_text(_percent(share), top - 6, _anchor(share), number(tick), "tick theirs"))
    marks += [_across(_class(level), y(level.y)) for level in chart.levels]
    marks.append(_plot([_curve(one, [at(one, x) for x in one.x], height.share) for one in (*papers, *ours)], top))
    for one in ours:
        for x, value in zip(one.x, one.y, strict=True) if len(one.x) <= MANY else ():
            told = f"{one.name}: {number(value)} at {chart.x_labels[int(x)] if chart.x_labels else number(x)}"
            marks.append(_marker(_percent(at(one, x)), y(value), one.style, told))
    told = chart.title if chart.x_name in chart.title.lower() else f"{chart.title} against {chart.x_name}"
    return _picture("lines", told, marks, base + FOOT)


def key(one: Series | Level) -> Markup:
    """A piece of line as a legend shows it."""
    inner = Markup('<line class="{}" x1="0" x2="30" y1="7" y2="7"/>').format(_class(one))
    if isinstance(one, Series) and one.ours and len(one.x) <= MANY:
        inner += _marker("15", 7, one.style, "")
    return Markup('<svg class="key" width="30" height="14" aria-hidden="true">{}</svg>').format(inner)


def histogram(chart: Histogram) -> Markup:
    """Stacked counts per bin, with limits as dashed lines; its title is what a screen reader says.

    The vertical axis is linear, or a square root when one bin would dwarf the others: see `root_axis`.
    """
    edges = chart.edges
    counts = chart.counts
    top, root = max(int(counts.max()), 1), root_axis(counts)
    scale, base, marks = Scale(float(edges[0]), float(edges[-1]), chart.log), TOP + BARS, []

    def y(count: float) -> float:
        return TOP + BARS * (1 - (math.sqrt(count / top) if root else count / top))

    def place(value: float) -> float:
        return min(max(scale.share(value), 0.0), 1.0)

    for count in count_ticks(top, root):
        marks.append(_across("grid", y(count)))
        marks.append(_text("-6", y(count) + 4, "end", f"{count:,}"))
    width = 100 / (len(edges) - 1)
    for index, total in enumerate(counts):
        told = ", ".join(f"{int(part[index]):,} {name}" for name, part in chart.parts)
        below, rects = 0, []
        for name, part in chart.parts:
            if not part[index]:
                continue
            high, low = y(below + int(part[index])), y(below)
            rects.append(
                Markup('<rect class="{}" x="{}%" y="{}" width="{}%" height="{}"/>').format(
                    name, short(index * width), short(high), short(width * 0.92), short(max(low - high, 1))
                )
            )
            below += int(part[index])
        if total:
            title = f"{number(edges[index])} to {number(edges[index + 1])}: {told}"
            marks.append(Markup("<g><title>{}</title>{}</g>").format(title, Markup("").join(rects)))
    marks.append(_across("axis", base))
    for value in value_ticks(scale.low, scale.high, chart.log):
        marks.append(_text(_percent(place(value)), base + 15, _anchor(place(value)), number(value)))
    for limit in chart.limits:
        marks.append(
            Markup(
                '<g class="threshold" data-side="{0}"><line x1="{1}" x2="{1}" y1="{2}" y2="{3}"/>'
                '<text x="{1}" y="10" text-anchor="{4}">{5}</text></g>'
            ).format(
                limit.side, _percent(place(limit.value)), TOP - 3, base,
                "start" if place(limit.value) < 0.5 else "end", limit.words or number(limit.value),
            )
        )  # fmt: skip
    return _picture("histogram", chart.title, marks, base + AXIS)


def _picture(kind: str, label: str, marks: Sequence[Markup], height: float | None = None) -> Markup:
    size = Markup("") if height is None else Markup(' height="{}"').format(height)
    return Markup('<svg class="{}"{} role="img" aria-label="{}">{}</svg>').format(
        kind, size, label, Markup("").join(marks)
    )


def _scale(values: Sequence[float], named: bool = False) -> Scale:
    if named:
        return Scale(-0.4, max(values, default=0) + 0.4)
    low, high = min(values, default=0.0), max(values, default=1.0)
    return Scale(low, high) if high > low else Scale(low - 0.5, low + 0.5)


def _whole_ticks(scale: Scale) -> list[float]:
    return [tick for tick in value_ticks(scale.low, scale.high) if tick == int(tick)]


def _heights(chart: Lines) -> Scale:
    """A twentieth more than the values on both sides; shares stay within 0..1."""
    values = [level.y for level in chart.levels]
    for one in chart.series:
        values += [*one.y, *(edge for pair in one.band for edge in pair)]
        values += [y for strand in one.strands for y in strand]
    if chart.log:
        positive = [value for value in values if value > 0]
        low, high = min(positive, default=0.1), max(positive, default=1.0)
        margin = (high / low) ** SHORTEST_DECADES if high > low else 2.0
        return Scale(low / margin, high * margin, log=True)
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    if chart.unit:
        margin = max(margin, (LEAST_SPREAD - (high - low)) / 2)
    low, high = low - margin, high + margin
    return Scale(max(0.0, low), min(1.0, high)) if chart.unit else Scale(low, high)


def _curve(one: Series, shares: Sequence[float], height: Callable[[float], float]) -> Markup:
    def points(values: Sequence[float]) -> list[tuple[float, float]]:
        return [(1000 * share, 1000 * (1 - height(value))) for share, value in zip(shares, values, strict=True)]

    drawn = Markup("")
    if one.band:
        lower, upper = (points(edge) for edge in zip(*one.band, strict=True))
        drawn += Markup('<polygon class="band c-{}" points="{}"/>').format(one.style, _points(upper + lower[::-1]))
    for strand in one.strands:
        drawn += Markup('<polyline class="strand c-{}" points="{}"/>').format(one.style, _points(points(strand)))
    return drawn + Markup('<polyline class="{}" points="{}"/>').format(_class(one), _points(points(one.y)))


def _plot(curves: Sequence[Markup], top: int) -> Markup:
    return Markup(
        '<svg x="0" y="{}" width="100%" height="{}" viewBox="0 0 1000 1000" preserveAspectRatio="none">{}</svg>'
    ).format(top, HEIGHT, Markup("").join(curves))


def _marker(x: str, y: float, style: str, told: str) -> Markup:
    title = Markup("<title>{}</title>").format(told) if told else Markup("")
    return Markup('<svg class="marker" x="{}" y="{}"><path class="c-{}" d="{}">{}</path></svg>').format(
        x, short(y), style, MARKERS[STYLES[style].marker][0], title
    )


def _text(x: str, y: float, anchor: str, text: str, name: str = "tick") -> Markup:
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(name, x, short(y), anchor, text)


def _across(kind: str, y: float) -> Markup:
    return Markup('<line class="{0}" x1="0" x2="100%" y1="{1}" y2="{1}"/>').format(kind, short(y))


def _class(one: Series | Level) -> str:
    """Series of ours are solid; the paper's, and levels, dashed."""
    if isinstance(one, Level):
        return f"level c-{one.style}{' dashed' if one.ours else ' theirs'}"
    return f"curve c-{one.style}{'' if one.ours else ' theirs dashed'}"


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{short(x)},{short(y)}" for x, y in places)


def _percent(share: float) -> str:
    return f"{short(100 * share)}%"


def _anchor(share: float) -> str:
    return "start" if share < 0.03 else "end" if share > 0.97 else "middle"
