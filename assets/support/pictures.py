"""Pictures for metadata: a strip of a run's videos, the first frame above the last; curves over the paper's."""

from collections.abc import Sequence
from pathlib import Path

from evaluation.records import VideoRecord
from pages.charts import Lines
from pages.pictures import inline, jpeg_below
from storage.files import confined

SHOWN, SIDE_PX = 8, 96
MAX_BYTES = 60_000


def posters(folder: Path, videos: Sequence[VideoRecord]) -> str:
    """Markdown with a JPEG of up to 8 videos, evenly chosen; "" when none can be read."""
    from PIL import Image

    from evaluation.videos import BadVideo, read_frames

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
    return inline("first frames above last ones", jpeg_below(sheet, MAX_BYTES))


def curves_picture(charts: Sequence[Lines]) -> str:
    """Markdown with a PNG of the report's charts (evaluation/report/curves.py): ours solid, the paper's dashed."""
    from pages.png import draw

    drawn = draw(charts, columns=min(3, len(charts)), width_px=1050, row_px=290, legend=True)
    return inline("curves, the paper's dashed", drawn)
