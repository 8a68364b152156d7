"""Pictures of a run: its curves, and rollouts side by side. The same input gives the same bytes."""

import base64
import io
import math
from collections.abc import Mapping, Sequence

import numpy as np

from pages.pictures import FAINT, INK, PAPER, font, plain

MAX_BYTES = 100_000  # of a picture that goes into a page as base64
MAX_CURVES = 12
FRAMES = 4  # shown of each video
TILE_PX = 96  # height of a shown frame, about
CHARACTER_PX, TEXT_PX, LINE_PX, GAP, BETWEEN = 7, 12, 16, 6, 16
LINE = "#4c78a8"


def rollout_grid(videos: np.ndarray, tasks: Sequence[str], columns: Sequence[str], frames: int = FRAMES) -> np.ndarray:
    """Videos uint8 [N, T, H, W, 3] side by side -> one picture uint8 [H', W', 3].

    N = tasks x columns, task by task: under each task one video a column, each as `frames` frames from first to last,
    small ones enlarged in whole steps. Long texts are wrapped, then cut. Raises ValueError when the numbers do not fit.
    """
    from PIL import Image, ImageDraw

    if videos.dtype != np.uint8 or videos.ndim != 5 or not len(videos) or len(videos) != len(tasks) * len(columns):
        raise ValueError(
            f"videos are {videos.dtype} {list(videos.shape)} for {len(tasks)} tasks x {len(columns)} columns: uint8 "
            "[tasks x columns, T, H, W, 3] is expected"
        )
    strips = [_strip(video, frames) for video in videos]
    width, height = strips[0].size
    full = len(columns) * (width + BETWEEN) - BETWEEN
    heads = [wrapped(name, width, 2) for name in columns]
    labels = [wrapped(task, full, 3) for task in tasks]
    top = GAP + LINE_PX * max(len(head) for head in heads)
    rows = [LINE_PX * len(label) + height + 2 * GAP for label in labels]
    sheet = Image.new("RGB", (full + 2 * GAP, top + GAP + sum(rows)), PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, head in enumerate(heads):
        _write(draw, GAP + place * (width + BETWEEN), GAP, head, LINE)
    y = top + GAP
    for row, label in enumerate(labels):
        _write(draw, GAP, y, label, INK)
        below = y + LINE_PX * len(label)
        for place in range(len(columns)):
            sheet.paste(strips[row * len(columns) + place], (GAP + place * (width + BETWEEN), below))
        y += rows[row]
    return np.asarray(sheet)


def curves_png(series: Mapping[str, Sequence[tuple[int, float]]], first: Sequence[str] = ()) -> bytes:
    """Small charts of named series [(step, value), ...], three in a row: those of `first`, then the others by name.

    At most 12 are drawn and the last says how many are not. Values that are not finite are left out.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    order = [name for name in first if name in series] + sorted(name for name in series if name not in first)
    shown = order if len(order) <= MAX_CURVES else order[: MAX_CURVES - 1]
    places = max(1, len(shown) + (len(shown) < len(order)))
    lines = math.ceil(places / 3)
    figure = Figure((7.2, 1.5 * lines + 0.1), 100, facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    for place in range(places):
        axes = figure.add_subplot(lines, 3, place + 1)
        if place < len(shown):
            _curve(axes, shown[place], series[shown[place]])
        else:
            axes.set_axis_off()
            words = f"and {len(order) - len(shown)} more in metrics.jsonl" if order else "no metrics"
            axes.text(0.5, 0.5, words, ha="center", va="center", fontsize=7, color=FAINT)
    return palette_png(figure)


def palette_png(figure, colours: int = 32) -> bytes:
    """A matplotlib figure on an Agg canvas -> PNG. Thin lines in few colours: a palette makes it a third as large."""
    from PIL import Image

    figure.canvas.draw()
    image = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3]).quantize(colours)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def png(picture: np.ndarray) -> bytes:
    """uint8 [H, W, 3] RGB -> PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def inline(name: str, data: bytes) -> str:
    """A PNG or JPEG as Markdown that holds it."""
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return f"![{name}](data:image/{kind};base64,{base64.b64encode(data).decode()})"


def wrapped(text: str, width_px: int, lines: int) -> list[str]:
    """`text` in at most `lines` lines of `width_px`, the last one cut with an ellipsis where more would follow."""
    letters, out = font(TEXT_PX), []
    words = plain(text, 4 * lines * max(1, width_px // CHARACTER_PX)).split(" ")
    while words and len(out) < lines:
        line = words.pop(0)
        while words and letters.getlength(f"{line} {words[0]}") <= width_px:
            line = f"{line} {words.pop(0)}"
        more = bool(words) and len(out) == lines - 1
        if more or letters.getlength(line) > width_px:
            line = line + "\u2026" if more else line
            while len(line) > 1 and letters.getlength(line) > width_px:
                line = line[:-2] + "\u2026"
        out.append(line)
    return out


def plain_axes(axes, title: str, px: float = 7) -> None:
    """Two spines, small ticks and a title on the left."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(which="both", labelsize=px - 1, colors=INK, color=FAINT)
    axes.set_title(plain(title), fontsize=px, color=INK, loc="left", parse_math=False)


def _curve(axes, name: str, points: Sequence[tuple[int, float]]) -> None:
    plain_axes(axes, name)
    axes.xaxis.get_major_locator().set_params(integer=True)
    finite = [(step, value) for step, value in points if math.isfinite(value)]
    marker = "." if len(finite) <= 20 else ""
    axes.plot([step for step, _ in finite], [value for _, value in finite], color=LINE, linewidth=1, marker=marker)


def _write(draw, x: int, y: int, lines: Sequence[str], colour: str) -> None:
    for number, line in enumerate(lines):
        draw.text((x, y + number * LINE_PX), line, colour, font(TEXT_PX))


def _strip(video: np.ndarray, count: int):
    """`count` frames of a video [T, H, W, 3] from first to last, side by side as one picture."""
    from PIL import Image

    length, height, width = video.shape[:3]
    times = np.linspace(0, length - 1, min(count, length)).round().astype(int)
    if height <= TILE_PX:
        factor = max(1, round(TILE_PX / height))
        size, how = (width * factor, height * factor), Image.Resampling.NEAREST
    else:
        size, how = (max(1, round(width * TILE_PX / height)), TILE_PX), Image.Resampling.BOX
    strip = Image.new("RGB", (len(times) * (size[0] + 2) - 2, size[1]), PAPER)
    for place, time in enumerate(times):
        strip.paste(Image.fromarray(video[time]).resize(size, how), (place * (size[0] + 2), 0))
    return strip
