"""Pictures of a run: its curves, and rollouts side by side. The same input gives the same bytes."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from pages.charts import Lines, Series, running_means
from pages.palette import INK, PAPER
from pages.pictures import font, plain
from pages.png import draw

MAX_BYTES = 100_000  # of a picture that goes into a page as base64
MAX_CURVES = 12
FEW, WINDOW = 40, 20  # values that are shown as they are; steps of the running mean over more of them
FRAMES = 4  # shown of each video
TILE_PX = 96  # height of a shown frame, about
CHARACTER_PX, TEXT_PX, LINE_PX, GAP, BETWEEN = 7, 12, 16, 6, 16


def rollout_grid(videos: np.ndarray, tasks: Sequence[str], columns: Sequence[str], frames: int = FRAMES) -> np.ndarray:
    """Videos uint8 [N, T, H, W, 3] side by side -> one picture uint8 [H', W', 3].

    N = tasks x columns, task by task: under each task one video a column, each as `frames` frames from first to last,
    small ones enlarged in whole steps. Long texts are wrapped, then cut. Raises ValueError when the numbers do not fit.
    """
    from PIL import Image, ImageDraw

    if videos.dtype != np.uint8 or videos.ndim != 5 or not len(videos) or len(videos) != len(tasks) * len(columns):
        raise ValueError(
            f"videos are {videos.dtype} {list(videos.shape)} for {len(tasks)} tasks x {len(columns)} columns: they "
            "must be uint8 [tasks x columns, T, H, W, 3]"
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
        _write(draw, GAP + place * (width + BETWEEN), GAP, head, INK)
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

    At most 12 are drawn and the last says how many are not. Values that are not finite are left out; over many of them
    lies their running mean.
    """
    order = [name for name in first if name in series] + sorted(name for name in series if name not in first)
    shown = order if len(order) <= MAX_CURVES else order[: MAX_CURVES - 1]
    charts = []
    for name in shown:
        finite = [(step, value) for step, value in series[name] if math.isfinite(value)]
        steps, values = zip(*finite, strict=True) if finite else ((), ())
        means = values if len(values) <= FEW else running_means(values, WINDOW)
        raw = () if means is values else (values,)
        charts.append(Lines(name, (Series(name, steps, means, strands=raw),), x_name="", unit=False))
    left = len(order) - len(shown)
    rest = f"and {left} more in metrics.jsonl" if left else "" if order else "no metrics"
    note = f"Thick: mean of {WINDOW} steps." if any(one.series[0].strands for one in charts) else ""
    return draw(charts, columns=3, width_px=720, row_px=150, letters=7, note=note, rest=rest)


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
