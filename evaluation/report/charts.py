"""Lines with bands, and dots with intervals, as inline SVG in the manner of pages/svg.py.

Series differ in marker and dash as well as in colour. Curves lie in an inner picture that stretches to any width;
letters and markers are placed by percentages and keep their size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pages.svg import number, short, value_ticks

HEIGHT, FOOT = 250, 40  # pixels: plot, below it (tick labels and the axis' name)
ABOVE, ABOVE_TWICE = 10, 40  # above the plot, without and with an axis of the paper's there
LEAST_SPREAD = 0.2  # of an axis of shares: less would blow up noise
MARKERS = (
    "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z",
    "M-3.6,-3.6h7.2v7.2h-7.2z",
    "M0,-4.8l4.6,8h-9.2z",
    "M0,-5l5,5l-5,5l-5,-5z",
    "M0,4.8l4.6,-8h-9.2z",
    "M-1.3,-4.5h2.6v3.2h3.2v2.6h-3.2v3.2h-2.6v-3.2h-3.2v-2.6h3.2z",
)
COLOURS = 6  # classes c0 to c5 of the style sheet


@dataclass(frozen=True)
class Series:
    """Points of one line, by x. `band` are (low, high); `style` is the number of its colour and marker.

    `ours`: solid with markers; the paper's are dashed and thin.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    band: tuple[tuple[float, float], ...] = ()
    style: int = 0
    ours: bool = True


@dataclass(frozen=True)
class Level:
    """A horizontal line that does not depend on x; `second`: dashed otherwise than the first."""

    name: str
    y: float
    ours: bool = True
    second: bool = False


@dataclass(frozen=True)
class Scale:
    low: float
    high: float

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)


def lines(
    series: Sequence[Series],
    levels: Sequence[Level],
    x_name: str,
    y_name: str,
    label: str,
    *,
    x_paper: str = "",
    x_labels: Sequence[str] = (),
    unit: bool = True,
) -> Markup:
    """A chart. `x_paper` names an axis of its own, at the top, that the paper's series are drawn on; empty: one axis.

    `x_labels` are names of the places 0, 1, 2 ... instead of numbers. `unit`: values are shares within 0..1.
    """
    ours, papers = [one for one in series if one.ours], [one for one in series if not one.ours]
    places = _scale([x for one in (ours if x_paper else series) for x in one.x], bool(x_labels))
    beyond = _scale([x for one in papers for x in one.x]) if x_paper else places
    values = [y for one in series for y in (*one.y, *(edge for pair in one.band for edge in pair))]
    height = _heights([*values, *(level.y for level in levels)], unit)

    def at(one: Series, x: float) -> float:
        return (places if one.ours else beyond).share(x)

    top = ABOVE_TWICE if x_paper else ABOVE

    def y(value: float) -> float:
        return top + HEIGHT * (1 - height.share(value))

    marks: list[Markup] = []
    for tick in value_ticks(height.low, height.high):
        marks.append(Markup('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(short(y(tick))))
        marks.append(_text("-6", y(tick) + 4, "end", number(tick)))
    base = top + HEIGHT
    marks.append(Markup('<line class="axis" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(base))
    ticks = list(enumerate(x_labels)) or [(tick, number(tick)) for tick in _whole_ticks(places)]
    for tick, name in ticks:
        marks.append(_text(_percent(places.share(tick)), base + 15, _anchor(places.share(tick)), name))
    marks.append(_text("50%", base + 33, "middle", x_name, "name"))
    marks.append(
        Markup('<text class="name" transform="rotate(-90)" x="{}" y="-44" text-anchor="middle">{}</text>').format(
            -(top + HEIGHT // 2), y_name
        )
    )
    if x_paper:
        marks.append(_text("50%", 11, "middle", x_paper, "name theirs"))
        for tick in _whole_ticks(beyond):
            share = beyond.share(tick)
            marks.append(_text(_percent(share), top - 6, _anchor(share), number(tick), "tick theirs"))
    for level in levels:
        place = short(y(level.y))
        marks.append(Markup('<line class="{0}" x1="0" x2="100%" y1="{1}" y2="{1}"/>').format(_level(level), place))
    marks.append(_plot([_curve(one, [at(one, x) for x in one.x], height) for one in (*papers, *ours)], top))
    for one in ours:
        for x, value in zip(one.x, one.y, strict=True):
            told = f"{one.name}: {number(value)} at {x_labels[int(x)] if x_labels else number(x)}"
            marks.append(_marker(_percent(at(one, x)), y(value), one.style, told))
    return Markup('<svg class="lines" height="{}" role="img" aria-label="{}">{}</svg>').format(
        base + FOOT, label, Markup("").join(marks)
    )


def key(one: Series | Level) -> Markup:
    """A piece of line as a legend shows it."""
    if isinstance(one, Level):
        inner = Markup('<line class="{}" x1="0" x2="30" y1="7" y2="7"/>').format(_level(one))
    else:
        inner = Markup('<line class="{}" x1="0" x2="30" y1="7" y2="7"/>').format(_class(one))
        inner += _marker("15", 7, one.style, "") if one.ours else Markup("")
    return Markup('<svg class="key" width="30" height="14" aria-hidden="true">{}</svg>').format(inner)


def span(value: float | None, low: float | None, high: float | None, label: str, kind: str = "", zero: bool = False):
    """A dot with its interval on a track from 0 to 1, or with `zero` from -1 to 1 with a mark at 0."""

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
    return Markup('<svg class="span {}" role="img" aria-label="{}">{}</svg>').format(
        kind, label, Markup("").join(marks)
    )


def _scale(values: Sequence[float], named: bool = False) -> Scale:
    if named:
        return Scale(-0.4, max(values, default=0) + 0.4)
    low, high = min(values, default=0.0), max(values, default=1.0)
    return Scale(low, high) if high > low else Scale(low - 0.5, low + 0.5)


def _whole_ticks(scale: Scale) -> list[float]:
    return [tick for tick in value_ticks(scale.low, scale.high) if tick == int(tick)]


def _heights(values: Sequence[float], unit: bool) -> Scale:
    """A twentieth more than the values on both sides; shares stay within 0..1."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    if unit:
        margin = max(margin, (LEAST_SPREAD - (high - low)) / 2)
    low, high = low - margin, high + margin
    return Scale(max(0.0, low), min(1.0, high)) if unit else Scale(low, high)


def _curve(one: Series, shares: Sequence[float], height: Scale) -> Markup:
    places = [(1000 * share, 1000 * (1 - height.share(value))) for share, value in zip(shares, one.y, strict=True)]
    drawn = Markup("")
    if one.band:
        upper = [(x, 1000 * (1 - height.share(high))) for (x, _), (_, high) in zip(places, one.band, strict=True)]
        lower = [(x, 1000 * (1 - height.share(low))) for (x, _), (low, _) in zip(places, one.band, strict=True)]
        drawn += Markup('<polygon class="band c{}" points="{}"/>').format(
            one.style % COLOURS, _points(upper + lower[::-1])
        )
    return drawn + Markup('<polyline class="{}" points="{}"/>').format(_class(one), _points(places))


def _plot(curves: Sequence[Markup], top: int) -> Markup:
    return Markup(
        '<svg x="0" y="{}" width="100%" height="{}" viewBox="0 0 1000 1000" preserveAspectRatio="none">{}</svg>'
    ).format(top, HEIGHT, Markup("").join(curves))


def _marker(x: str, y: float, style: int, told: str) -> Markup:
    title = Markup("<title>{}</title>").format(told) if told else Markup("")
    return Markup('<svg class="marker" x="{}" y="{}"><path class="c{}" d="{}">{}</path></svg>').format(
        x, short(y), style % COLOURS, MARKERS[style % len(MARKERS)], title
    )


def _text(x: str, y: float, anchor: str, text: str, name: str = "tick") -> Markup:
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(name, x, short(y), anchor, text)


def _level(one: Level) -> str:
    return f"level{'' if one.ours else ' theirs'}{' second' if one.second else ''}"


def _class(one: Series) -> str:
    return f"curve c{one.style % COLOURS}{'' if one.ours else ' theirs'}"


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{short(x)},{short(y)}" for x, y in places)


def _percent(share: float) -> str:
    return f"{short(100 * share)}%"


def _anchor(share: float) -> str:
    return "start" if share < 0.03 else "end" if share > 0.97 else "middle"
