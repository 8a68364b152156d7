"""Small pictures for run metadata and the report: histograms and bars as PNG, contact sheets as JPEG.

Each stays below MAX_BYTES, so that it can be put into a page as base64. The same input gives the same bytes. Whatever a
label says is drawn as text: no markup is interpreted, control characters are shown as a box and long labels are cut.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from media.pictures import opened
from pages.charts import Bars, Histogram, Limit
from pages.palette import INK, PAPER, QUIET
from pages.pictures import font, jpeg_below, plain
from pages.png import draw

MAX_BYTES = 80_000
MAX_BARS = 20
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
    title = f"{plain(title)}  (n = {count})"
    if not len(finite):
        return draw([Histogram(title, (), (), x_name=unit)])
    edges, is_log = _edges(finite, marks)
    counts = np.histogram(np.clip(finite, edges[0], edges[-1]), edges)[0]
    limits = tuple(Limit(mark, f"{mark:.4g}: {100 * (finite < mark).mean():.1f} % below") for mark in marks)
    return draw([Histogram(title, edges, (("neutral", counts),), limits, unit, is_log)])


def bars_png(labels: Sequence[str], counts: Sequence[float], title: str) -> bytes:
    """Horizontal bars in the order given, the first on top, each with its count and share.

    After 20 bars the rest is one bar, "and N more". Raises ValueError when labels and counts differ in number.
    """
    if len(labels) != len(counts):
        raise ValueError(f"{len(labels)} labels with {len(counts)} counts: give one count for each label")
    names, numbers = list(map(str, labels)), [float(count) for count in counts]
    if len(names) > MAX_BARS:
        rest = len(names) - MAX_BARS + 1
        names = [*names[: MAX_BARS - 1], f"and {rest} more"]
        numbers = [*numbers[: MAX_BARS - 1], sum(numbers[MAX_BARS - 1 :])]
    total = sum(numbers)
    words = tuple(f"{number:,.6g}" + (f"  {100 * number / total:.1f} %" if total else "") for number in numbers)
    title = f"{plain(title)}  (total {total:,.6g})"
    bars = Bars(title, tuple(names), (("", "neutral", tuple(numbers)),), words=words)
    return draw([bars], row_px=75 + 21 * max(len(names), 2))


def contact_sheet_jpeg(
    images: Sequence[Path], columns: int, tile_px: int, captions: Sequence[str] | None = None
) -> bytes:
    """Thumbnails in rows of `columns`, each within a square of `tile_px`, with a line of caption below where given.

    A file that is absent or no image gets an empty tile that says so. The JPEG's quality, then its size, is lowered
    until it fits MAX_BYTES. Raises ValueError for no images or fewer captions than images.
    """
    from PIL import Image, ImageDraw

    if not images or columns < 1 or tile_px < 8:
        raise ValueError(f"{len(images)} images, {columns} columns of {tile_px} px: give at least 1, 1 and 8")
    if captions is not None and len(captions) != len(images):
        raise ValueError(f"{len(captions)} captions for {len(images)} images: give one for each image")
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


def _thumbnail(path: Path, tile_px: int):
    from PIL import Image, ImageDraw

    try:
        with opened(path) as image:
            image.draft("RGB", (2 * tile_px, 2 * tile_px))  # lets the JPEG decoder skip what a thumbnail does not show
            tile = image.convert("RGB")
    except (OSError, ValueError):
        tile = Image.new("RGB", (tile_px, tile_px * 9 // 16), "#e6e8eb")
        ImageDraw.Draw(tile).text((4, 2), _fitted("no image", tile_px - 8), QUIET, font(10))
        return tile
    tile.thumbnail((tile_px, tile_px), Image.Resampling.LANCZOS)
    return tile
