"""Small pictures of a few episodes: every view at the beginning, in the middle and at the end."""

from collections.abc import Sequence

import numpy as np

from media.errors import MediaError
from pages.pictures import font, jpeg_below, plain
from robots.episode import Episode
from robots.frames import read_frames

MOST_EPISODES = 6
WIDTH = 128  # of one picture in pixels
TEXT = 16  # height of a line
LIMIT = 200_000  # bytes


def contact_sheet(episodes: Sequence[Episode]) -> bytes:
    """A JPEG: an episode a row, its views side by side, each with its first, middle and last frame."""
    from PIL import Image, ImageDraw

    chosen = [episodes[i] for i in sorted(set(np.linspace(0, len(episodes) - 1, MOST_EPISODES).astype(int).tolist()))]
    strips = [(f"{one.episode_id} ({one.split}, {one.frames} rows): {one.text}", _strip(one)) for one in chosen]
    height = sum(TEXT + strip.shape[0] for _, strip in strips)
    sheet = Image.new("RGB", (max(strip.shape[1] for _, strip in strips), height), "white")
    draw, top = ImageDraw.Draw(sheet), 0
    for text, strip in strips:
        draw.text((2, top + 1), plain(text, 140), fill="black", font=font(11))
        sheet.paste(Image.fromarray(strip), (0, top + TEXT))
        top += TEXT + strip.shape[0]
    return jpeg_below(sheet, LIMIT)


def _strip(episode: Episode) -> np.ndarray:
    """uint8 [h, views x 3 x WIDTH, 3]; grey where a frame cannot be read."""
    rows = sorted({0, episode.frames // 2, episode.frames - 1})
    found = []
    for footage in episode.footage.values():
        try:
            frames = read_frames(footage, rows, episode.fps)
        except MediaError:
            frames = np.full((len(rows), WIDTH * 3 // 4, WIDTH, 3), 128, np.uint8)
        found += [_small(frame) for frame in frames]
    height = max(frame.shape[0] for frame in found)
    return np.concatenate(
        [np.pad(frame, ((0, height - frame.shape[0]), (0, 0), (0, 0))) for frame in found],
        axis=1,
    )


def _small(frame: np.ndarray) -> np.ndarray:
    from PIL import Image

    height = max(1, round(frame.shape[0] * WIDTH / frame.shape[1]))
    return np.asarray(Image.fromarray(frame).resize((WIDTH, height)))
