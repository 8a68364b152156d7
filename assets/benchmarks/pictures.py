"""A strip of a run's videos for its metadata: some of them, the first frame above the last."""

import base64
from collections.abc import Sequence
from pathlib import Path

from evaluation.records import VideoRecord
from storage.files import confined

SHOWN, SIDE_PX = 8, 96
MAX_BYTES = 60_000


def posters(folder: Path, videos: Sequence[VideoRecord]) -> str:
    """Markdown with a JPEG of up to 8 videos, evenly chosen; "" when none can be read."""
    from PIL import Image

    from evaluation.pages.pictures import jpeg_below
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
    data = base64.b64encode(jpeg_below(sheet, MAX_BYTES)).decode()
    return f"![first frames above last ones](data:image/jpeg;base64,{data})"
