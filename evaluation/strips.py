"""Strips: six frames of a video side by side as a JPEG, to see at a glance what happens in it.

Made where a video is made, from the frames at hand, and kept beside it under the name of its content; decoding a video
for them again takes as long as a page of a hundred. Videos that came otherwise are decoded.
"""

import io
import threading
from pathlib import Path

import numpy as np

from evaluation.videos import enlarged, shown_size
from models.vlm.frames import frame_indices
from storage.files import write_bytes

STRIPS = "strips"
FRAMES, QUALITY = 6, 80  # of a strip, and of its JPEG
SIDE, LEAST = 192, 128  # pixels of a strip's frame along its longer side: half the video's, between these
LOCAL = threading.local()


def strip_path(folder: Path, sha256: str) -> Path:
    """Where a run's folder keeps the strip of the video with this content."""
    return folder / STRIPS / sha256[:2] / f"{sha256}.jpg"


def keep_strip(folder: Path, sha256: str, frames: np.ndarray) -> None:
    """Writes the strip of a video with this content from its frames uint8 [T, H, W, 3] RGB."""
    import cv2

    tall, wide = small_size(*shown_size(*frames.shape[1:3]))
    pictures = [
        cv2.resize(enlarged(frames[at]), (wide, tall), interpolation=cv2.INTER_AREA)
        for at in frame_indices(len(frames), FRAMES)
    ]
    write_bytes(strip_path(folder, sha256), _joined(pictures))


def strip_of(video: Path) -> bytes | None:
    """The strip of a file; None if it does not decode."""
    from media.container import opened
    from media.errors import MediaError

    try:
        with opened(video) as (container, stream):
            total = stream.frames or sum(1 for _ in container.decode(stream))
            container.seek(0)
            wanted = frame_indices(total, FRAMES)
            pictures = [_small(picture) for at, picture in enumerate(container.decode(stream)) if at in wanted]
        return _joined(pictures)
    except (MediaError, OSError, EOFError, IndexError, ValueError):
        return None


def small_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of a strip's frame for a picture of this size: half of it where that is LEAST to SIDE pixels
    along its longer side, which is the microworld's every square again; else the nearer of the two, or its own size
    where that is less."""
    side = max(height, width)
    share = min(1.0, min(SIDE, max(LEAST, side / 2)) / side)
    return max(1, round(height * share)), max(1, round(width * share))


def _small(picture) -> np.ndarray:
    """A decoded frame as RGB uint8 [h, w, 3] of a strip's size."""
    from av.video.reformatter import Interpolation, VideoReformatter

    if not hasattr(LOCAL, "reformatter"):
        LOCAL.reformatter = VideoReformatter()  # setting one up takes longer than a frame of 256 x 256
    height, width = small_size(picture.height, picture.width)
    size = {"width": width, "height": height}
    return LOCAL.reformatter.reformat(picture, **size, format="rgb24", interpolation=Interpolation.AREA).to_ndarray()


def _joined(pictures: list[np.ndarray]) -> bytes:
    """Frames side by side as a JPEG; of fewer than six the last one again, so that every strip has six."""
    from PIL import Image

    whole = np.concatenate(pictures + pictures[-1:] * (FRAMES - len(pictures)), axis=1)
    data = io.BytesIO()
    Image.fromarray(whole).save(data, "JPEG", quality=QUALITY)
    return data.getvalue()
