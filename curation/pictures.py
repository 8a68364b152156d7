"""Small pictures for run metadata and the report: histograms and bars as PNG, contact sheets as JPEG.

Each stays below MAX_BYTES, so that it can be put into a page as base64. The same input gives the same bytes. Whatever a
label says is drawn as text: no markup is interpreted, control characters are shown as a box and long labels are cut.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pages.pictures import FAINT, INK, PAPER, font, jpeg_below, plain

MAX_BYTES = 80_000
DPI = 100
BAR, LINE = "#4c78a8", "#c8433f"
MAX_BARS = 20
MAX_BAR_LABEL = 36
MAX_NAMED_THRESHOLDS = 3
# Values that spread over more than this factor between their 5th and 95th percentile get a logarithmic axis.
LOG_SPREAD = 50


def histogram_png(values: Sequence[float], thresholds: Sequence[float], title: str, unit: str) -> bytes:
    """A histogram of `values` in `unit`, with each threshold as a line and the share of values below it.

    Values that are not finite are left out, and the title's count says of how many. Widely spread positive values get
    a logarithmic axis, with zeros in the lowest bin. No values give a picture that says so.
    """
    numbers = np.asarray(values, np.float64).ravel()
    finite = numbers[np.isfinite(numbers)]
    marks = sorted({float(threshold) for threshold in thresholds if np.isfinite(threshold)})
    count = f"{len(finite):,}" if len(finite) == len(numbers) else f"{len(finite):,} of {len(numbers):,}"
    figure, axes = _canvas(2.6, f"{plain(title)}  (n = {count})")
    if len(finite):
        edges, is_log = _edges(finite, marks)
        counts, _ = np.histogram(np.clip(finite, edges[0], edges[-1]), edges)
        axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=BAR, edgecolor=PAPER, linewidth=0.4)
        axes.set_xscale("log" if is_log else "linear")
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(0, counts.max() * 1.3)
        axes.yaxis.get_major_locator().set_params(integer=True)
        _draw_thresholds(axes, finite, marks, edges)
    else:
        _say_empty(axes)
    axes.set_xlabel(plain(unit), color=INK, fontsize=8, parse_math=False)
    axes.set_ylabel("count", color=INK, fontsize=8)
    return _png(figure)


def bars_png(labels: Sequence[str], counts: Sequence[float], title: str) -> bytes:
    """Horizontal bars in the order given, the first on top, each with its count and share.

    After 20 bars the rest is one bar, "and N more". Raises ValueError when labels and counts differ in number.
    """
    if len(labels) != len(counts):
        raise ValueError(f"{len(labels)} labels with {len(counts)} counts: one count a label is expected")
    names, numbers = [plain(label, MAX_BAR_LABEL) for label in labels], [float(count) for count in counts]
    if len(names) > MAX_BARS:
        rest = len(names) - MAX_BARS + 1
        names = [*names[: MAX_BARS - 1], f"and {rest} more"]
        numbers = [*numbers[: MAX_BARS - 1], sum(numbers[MAX_BARS - 1 :])]
    total = sum(numbers)
    figure, axes = _canvas(0.75 + 0.21 * max(len(names), 2), f"{plain(title)}  (total {total:,.6g})")
    if names:
        places = np.arange(len(names))
        axes.barh(places, numbers, 0.72, color=BAR)
        axes.set_yticks(places, names, parse_math=False)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlim(0, (max(numbers) or 1) * 1.35)
        for place, number in zip(places, numbers, strict=True):
            share = f"  {100 * number / total:.1f} %" if total else ""
            axes.annotate(
                f"{number:,.6g}{share}", (number, place), (4, 0), textcoords="offset points",
                va="center", fontsize=7, color=INK,
            )  # fmt: skip
        axes.tick_params(axis="y", length=0)
        axes.set_xticks([])  # every bar has its number
        axes.spines["bottom"].set_visible(False)
    else:
        _say_empty(axes)
    return _png(figure)


def contact_sheet_jpeg(
    images: Sequence[Path], columns: int, tile_px: int, captions: Sequence[str] | None = None
) -> bytes:
    """Thumbnails in rows of `columns`, each within a square of `tile_px`, with a line of caption below where given.

    A file that is absent or no image gets an empty tile that says so. The JPEG's quality, then its size, is lowered
    until it fits MAX_BYTES. Raises ValueError for no images or fewer captions than images.
    """
    from PIL import Image, ImageDraw

    if not images or columns < 1 or tile_px < 8:
        raise ValueError(f"{len(images)} images, {columns} columns of {tile_px} px: at least 1, 1 and 8 are expected")
    if captions is not None and len(captions) != len(images):
        raise ValueError(f"{len(captions)} captions for {len(images)} images: one an image is expected")
    columns, gap, text_px = min(columns, len(images)), 4, 14 if captions else 0
    tiles = [_thumbnail(path, tile_px) for path in images]
    rows = [range(start, min(start + columns, len(tiles))) for start in range(0, len(tiles), columns)]
    heights = [max(tiles[i].height for i in row) for row in rows]
    size = (columns * (tile_px + gap) + gap, sum(heights) + len(rows) * (gap + text_px) + gap)
    sheet = Image.new("RGB", size, PAPER)
    draw, top = ImageDraw.Draw(sheet), gap
    for row, height in zip(rows, heights, strict=True):
        for column, i in enumerate(row):
            left = gap + column * (tile_px + gap)
            sheet.paste(tiles[i], (left + (tile_px - tiles[i].width) // 2, top + (height - tiles[i].height) // 2))
            if captions:
                draw.text((left, top + height + 1), _fitted(captions[i], tile_px), INK, font(10))
        top += height + gap + text_px
    return jpeg_below(sheet, MAX_BYTES)


def _fitted(text: str, width_px: int) -> str:
    shown = plain(text, 200)
    if font(10).getlength(shown) <= width_px:
        return shown
    while shown and font(10).getlength(shown + "\u2026") > width_px:
        shown = shown[:-1]
    return shown + "\u2026"


def _canvas(height_in: float, title: str):
    """A figure of 5.6 inches and its axes. No pyplot: it keeps figures in a global and is not for threads."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((5.6, height_in), DPI, facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    # Over the whole figure: over the axes, a title beside long labels would leave the picture.
    figure.suptitle(title, x=0.01, ha="left", fontsize=9, color=INK, fontweight="bold", parse_math=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(labelsize=8, colors=INK, color=FAINT)
    return figure, axes


def _say_empty(axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, "no values", ha="center", va="center", transform=axes.transAxes, color=FAINT, fontsize=10)


def _edges(values: np.ndarray, marks: list[float]) -> tuple[np.ndarray, bool]:
    """(bin edges, whether they are geometric). The thresholds lie within the edges."""
    low, high = min([values.min(), *marks]), max([values.max(), *marks])
    positive = values[values > 0]
    if values.min() >= 0 and len(positive) and all(mark > 0 for mark in marks):
        near, far = np.percentile(positive, [5, 95])
        if far > LOG_SPREAD * near:
            floor = max(min([positive.min(), *marks]), high * 1e-6)
            return np.geomspace(floor, high * 1.0001, 41), True
    if high <= low:
        return np.linspace(low - 0.5, low + 0.5, 12), False
    return np.linspace(low, high, 41), False


def _draw_thresholds(axes, values: np.ndarray, marks: list[float], edges: np.ndarray) -> None:
    named = len(marks) <= MAX_NAMED_THRESHOLDS
    for level, mark in enumerate(marks):
        axes.axvline(mark, color=LINE, linewidth=1.2 if named else 0.5)
        if named:
            below = 100 * (values < mark).mean()
            # On the side with more room, and one line lower for each, so that neighbours do not cover each other.
            right = axes.transData.transform((mark, 0))[0] > axes.transAxes.transform((0.6, 0))[0]
            axes.annotate(
                f"{mark:.4g}: {below:.1f} % below", (mark, 0.97 - 0.09 * level), (-4 if right else 4, 0),
                xycoords=("data", "axes fraction"), textcoords="offset points",
                ha="right" if right else "left", va="top", fontsize=7, color=LINE,
            )  # fmt: skip
    if not named:
        words = f"{len(marks)} thresholds, {marks[0]:.4g} to {marks[-1]:.4g}"
        axes.text(0.99, 0.97, words, ha="right", va="top", transform=axes.transAxes, fontsize=7, color=LINE)


def _png(figure) -> bytes:
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context({"font.family": "DejaVu Sans"}):
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _thumbnail(path: Path, tile_px: int):
    from PIL import Image, ImageDraw

    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            image.draft("RGB", (2 * tile_px, 2 * tile_px))  # lets the JPEG decoder skip what a thumbnail does not show
            tile = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # what PIL raises for broken files
        tile = Image.new("RGB", (tile_px, tile_px * 9 // 16), "#e6e8eb")
        ImageDraw.Draw(tile).text((4, 2), _fitted("no image", tile_px - 8), FAINT, font(10))
        return tile
    tile.thumbnail((tile_px, tile_px), Image.Resampling.LANCZOS)
    return tile
