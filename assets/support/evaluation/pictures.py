"""Pictures for metadata: a strip of a run's videos, the first frame above the last; curves over the paper's."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.records import VideoRecord
from storage.files import confined

SHOWN, SIDE_PX = 8, 96
MAX_BYTES = 60_000


def posters(folder: Path, videos: Sequence[VideoRecord]) -> str:
    """Markdown with a JPEG of up to 8 videos, evenly chosen; "" when none can be read."""
    from PIL import Image

    from evaluation.videos import BadVideo, read_frames
    from pages.pictures import jpeg_below

    chosen = [videos[len(videos) * at // SHOWN] for at in range(SHOWN)] if len(videos) > SHOWN else list(videos)
    pairs = []
    for video in chosen:
        try:
            frames = read_frames(confined(folder, video.path))
        except BadVideo:
            continue  # the check no_missing_video and the judge tell
        pairs.append([Image.fromarray(frames[at]).resize((SIDE_PX, SIDE_PX)) for at in (0, -1)])
    if not pairs:
        return ""
    sheet = Image.new("RGB", (SIDE_PX * len(pairs), 2 * SIDE_PX))
    for column, pair in enumerate(pairs):
        for row, picture in enumerate(pair):
            sheet.paste(picture, (column * SIDE_PX, row * SIDE_PX))
    data = base64.b64encode(jpeg_below(sheet, MAX_BYTES)).decode()
    return f"![first frames above last ones](data:image/jpeg;base64,{data})"


def curves_picture(charts: Sequence[Any]) -> str:
    """Markdown with a PNG of the report's charts (evaluation/report/curves.py): ours solid, the paper's dashed.

    Where the paper's steps are far more or far fewer, its lines are on the axis at the top, as on the page.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from training.loop.pictures import FAINT, PAPER, inline, palette_png, plain_axes

    lines = -(-len(charts) // 3)
    figure = Figure((10.5, 3.0 * lines), 100, facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    for place, chart in enumerate(charts):
        axes = figure.add_subplot(lines, 3, place + 1)
        plain_axes(axes, chart.title, 8)
        beyond = axes.twiny() if chart.apart else axes
        for one in chart.series:
            colour = f"C{one.style}"
            if not one.ours:
                beyond.plot(one.x, one.y, "--", color=colour, linewidth=0.8, alpha=0.6)
                continue
            axes.plot(one.x, one.y, "o-", color=colour, markersize=3, label=_plain(one.name))
            if one.band:
                low, high = zip(*one.band, strict=True)
                axes.fill_between(one.x, low, high, color=colour, alpha=0.12, linewidth=0)
        for level in chart.levels:
            dash = ":" if not level.ours else "-." if level.second else "-"
            axes.axhline(level.y, color=FAINT, linestyle=dash, linewidth=1, label=_plain(level.name))
        axes.set_xlabel("optimizer steps", fontsize=7)
        if chart.apart:
            beyond.set_xlabel("steps in the paper (dashed)", fontsize=7)
            beyond.tick_params(labelsize=6)
        axes.legend(fontsize=6, frameon=False)
    return inline("curves, the paper's dashed", palette_png(figure, 64))


def _plain(name: str) -> str:
    """A name in a legend: matplotlib reads $ as mathematics, and hides what begins with an underscore."""
    return name.replace("$", "").lstrip("_")
