"""Charts as PNG, for metadata, TensorBoard and cards. The same charts give the same bytes. matplotlib is loaded late.

Whatever a title or label says is drawn as text: no markup is interpreted, and characters without a glyph are a box.
"""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from pages.charts import Bars, Chart, Dots, Histogram, Level, Lines, Series
from pages.palette import COLOURS, INK, MARK, PAPER, QUIET
from pages.palette import LINE as GRID
from pages.pictures import plain
from pages.roles import MARKERS, PAPER_LEVEL, STYLES

DPI = 100
MANY = 40  # points of a line: more have no markers
NAMED = 3  # limits of a histogram: more are drawn without words
BAND, STRAND, THEIRS = 0.13, 0.35, 0.8  # opacity
LABEL_CHARACTERS, LEGEND_CHARACTERS = 36, 48


def draw(
    charts: Sequence[Chart],
    *,
    columns: int = 1,
    width_px: int = 560,
    row_px: int = 260,
    letters: float = 8,
    note: str = "",
    legend: bool = False,
    rest: str = "",
) -> bytes:
    """PNG of charts in rows of `columns`, each row `row_px` high; `letters` are the points of titles.

    `note` stands above all of them; `legend`: one of all charts' lines stands below. `rest` takes the place of a
    further chart and says in words what is not drawn.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = max(1, -(-(len(charts) + bool(rest)) // columns))
    foot = 22 * -(-len(_known(charts)) // _in_a_row(width_px)) if legend else 0
    size = (width_px, rows * row_px + (20 if note else 0) + foot)
    figure = Figure((size[0] / DPI, size[1] / DPI), DPI, facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    for place, chart in enumerate(charts):
        axes = figure.add_subplot(rows, columns, place + 1)
        _plain(axes, chart.title, letters)
        _DRAW[type(chart)](axes, chart, letters)
        if place % columns and isinstance(chart, Dots) and _names(chart) == _names(charts[place - 1]):
            axes.set_yticklabels([])
    if rest:
        axes = figure.add_subplot(rows, columns, len(charts) + 1)
        axes.set_axis_off()
        axes.text(0.5, 0.5, plain(rest), ha="center", va="center", fontsize=letters, color=QUIET, parse_math=False)
    if legend and (known := _known(charts)):
        words = [plain(name, LEGEND_CHARACTERS) for name in known]
        handles = [_handle(one) for one in known.values()]
        drawn = figure.legend(handles, words, loc="outside lower center", ncols=_in_a_row(width_px),
                              fontsize=letters - 1, frameon=False)  # fmt: skip
        for text in drawn.get_texts():
            text.set_parse_math(False)
    if note:
        figure.suptitle(plain(note, 200), x=0.01, ha="left", fontsize=letters - 1, color=QUIET, parse_math=False)
    return _png(figure)


def _plain(axes, title: str, letters: float) -> None:
    """Two spines, small ticks and a title on the left."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(QUIET)
    axes.tick_params(which="both", labelsize=letters - 1, labelcolor=INK, color=QUIET)
    axes.set_title(plain(title, 100), fontsize=letters, color=INK, loc="left", parse_math=False)


def _named(axes, x: str, y: str, letters: float) -> None:
    for name, put in ((x, axes.set_xlabel), (y, axes.set_ylabel)):
        if name:
            put(plain(name), fontsize=letters - 1, color=INK, parse_math=False)


def _lines(axes, chart: Lines, letters: float) -> None:
    beyond = axes.twiny() if chart.x_paper else axes
    for one in sorted(chart.series, key=lambda one: one.ours):
        (axes if one.ours else beyond).add_line(_handle(one, one.x, one.y))
        colour = STYLES[one.style].light
        if one.band:
            low, high = zip(*one.band, strict=True)
            axes.fill_between(one.x, low, high, color=colour, alpha=BAND, linewidth=0)
        for strand in one.strands:
            axes.plot(one.x, strand, color=colour, alpha=STRAND, linewidth=0.7)
    for level in chart.levels:
        axes.axhline(level.y, zorder=0, **_look(level))
    axes.autoscale_view()
    if chart.log:
        axes.set_yscale("log")
    if chart.x_labels:
        axes.set_xticks(range(len(chart.x_labels)), [plain(label, 20) for label in chart.x_labels], parse_math=False)
    else:
        axes.xaxis.get_major_locator().set_params(integer=True)
    _named(axes, chart.x_name, chart.y_name, letters)
    if chart.x_paper:
        beyond.autoscale_view()
        _named(beyond, chart.x_paper, "", letters)
        beyond.tick_params(labelsize=letters - 2, labelcolor=QUIET, color=QUIET)


def _dots(axes, chart: Dots, letters: float) -> None:
    for row, one in enumerate(chart.rows):
        colour = STYLES[one.style].light
        if one.low is not None and one.high is not None:
            axes.plot([one.low, one.high], [row, row], color=colour, linewidth=1.2, alpha=0.6)
        if one.value is not None:
            axes.plot(one.value, row, MARKERS[STYLES[one.style].marker][1], color=colour, markersize=4.5)
        if len(one.parts) > 1:
            axes.plot(one.parts, [row] * len(one.parts), "|", color=colour, markersize=7, markeredgewidth=1)
    for level in chart.levels:
        axes.axvline(level.y, zorder=0, **_look(level))
    axes.set_ylim(len(chart.rows) - 0.4, -0.6)
    axes.set_yticks(range(len(chart.rows)), [plain(one.name, LABEL_CHARACTERS) for one in chart.rows], parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1)
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def _histogram(axes, chart: Histogram, letters: float) -> None:
    edges, total = np.asarray(chart.edges, np.float64), np.zeros(max(len(chart.edges) - 1, 0))
    _named(axes, chart.x_name, "count", letters)
    if not len(total):
        return _say_empty(axes)
    for kind, counts in chart.parts:
        axes.bar(edges[:-1], counts, np.diff(edges), total, align="edge", color=COLOURS[kind][0], edgecolor=PAPER,
                 linewidth=0.4)  # fmt: skip
        total = total + counts
    axes.set_xscale("log" if chart.log else "linear")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, max(total.max(), 1) * 1.3)
    axes.yaxis.get_major_locator().set_params(integer=True)
    named = len(chart.limits) <= NAMED
    for level, limit in enumerate(chart.limits):
        axes.axvline(limit.value, color=MARK, linewidth=1.2 if named else 0.5)
        if named:
            # On the side with more room, and one line lower for each, so that neighbours do not cover each other.
            right = axes.transData.transform((limit.value, 0))[0] > axes.transAxes.transform((0.6, 0))[0]
            axes.annotate(
                limit.words or f"{limit.value:.4g}", (limit.value, 0.97 - 0.09 * level), (-4 if right else 4, 0),
                xycoords=("data", "axes fraction"), textcoords="offset points",
                ha="right" if right else "left", va="top", fontsize=letters - 1, color=MARK,
            )  # fmt: skip
    if not named:
        words = f"{len(chart.limits)} thresholds, {chart.limits[0].value:.4g} to {chart.limits[-1].value:.4g}"
        axes.text(0.99, 0.97, words, ha="right", va="top", transform=axes.transAxes, fontsize=letters - 1, color=MARK)


def _bars(axes, chart: Bars, letters: float) -> None:
    if not chart.labels:
        return _say_empty(axes)
    height = 0.8 / len(chart.groups)
    for number, (_, colour, values) in enumerate(chart.groups):
        places = np.arange(len(values)) - height * (0.5 * (len(chart.groups) - 1) - number)
        axes.barh(places, values, height * 0.9, color=COLOURS[colour][0])
    axes.set_yticks(
        range(len(chart.labels)), [plain(label, LABEL_CHARACTERS) for label in chart.labels], parse_math=False
    )
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(chart.labels) - 0.4, -0.6)
    _named(axes, chart.x_name, "", letters)
    if chart.words:
        values = chart.groups[0][2]
        axes.set_xlim(0, (max(values) or 1) * 1.35)
        axes.set_xticks([])  # every bar has its number
        axes.spines["bottom"].set_visible(False)
        for place, (value, words) in enumerate(zip(values, chart.words, strict=True)):
            axes.annotate(words, (value, place), (4, 0), textcoords="offset points", va="center",
                          fontsize=letters - 1, color=INK)  # fmt: skip


def _names(chart: Chart) -> list[str]:
    return [one.name for one in chart.rows] if isinstance(chart, Dots) else []


_DRAW = {Lines: _lines, Dots: _dots, Histogram: _histogram, Bars: _bars}


def _say_empty(axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, "no values", ha="center", va="center", transform=axes.transAxes, color=QUIET, fontsize=10)


def _look(one: Series | Level) -> dict:
    """matplotlib's words for how a line looks."""
    style = STYLES[one.style]
    solid = isinstance(one, Series) and one.ours
    width = 1.6 if solid and len(one.x) <= MANY else 1.0
    lengths = PAPER_LEVEL if isinstance(one, Level) and not one.ours else style.dash
    dash = "solid" if solid else (0, tuple(length / width * 72 / DPI for length in lengths))
    return {"color": style.light, "linewidth": width, "linestyle": dash, "alpha": None if one.ours else THEIRS}


def _handle(one: Series | Level | str, x: Sequence[float] = (), y: Sequence[float] = ()):
    """A line of its points, or without them as a legend shows it; of bars, by the name of their colour, a patch."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    if isinstance(one, str):
        return Patch(color=COLOURS[one][0])
    if isinstance(one, Level) or not one.ours or len(one.x) > MANY:
        return Line2D(x, y, **_look(one))
    return Line2D(x, y, marker=MARKERS[STYLES[one.style].marker][1], markersize=3.5, **_look(one))


def _known(charts: Sequence[Chart]) -> dict[str, Any]:
    """What a legend has to tell, by name, in the order in which it first comes; levels last."""
    series = {name: colour for chart in charts if isinstance(chart, Bars) for name, colour, _ in chart.groups}
    series |= {one.name: one for chart in charts if isinstance(chart, Lines) for one in chart.series}
    levels = {one.name: one for chart in charts if isinstance(chart, Lines | Dots) for one in chart.levels}
    return series | levels


def _in_a_row(width_px: int) -> int:
    return max(1, width_px // 190)


def _png(figure) -> bytes:
    """Thin lines in few colours: a palette makes the file a third as large."""
    import matplotlib
    from PIL import Image

    with matplotlib.rc_context({"font.family": "DejaVu Sans"}):
        figure.canvas.draw()
    image = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3]).quantize(256, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
