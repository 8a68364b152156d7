"""Videos beside the page, under names made of their content, each with a strip of six of its frames."""

import io
import os
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.records import OK, VideoRecord
from models.vlm.frames import frame_indices
from storage.files import PathOutsideRoot, confined, sha256_file
from storage.links import link_or_copy

VIDEOS, FRAMES, QUALITY = "videos", 6, 80  # a strip's frames, its JPEG's quality
SIDE, LEAST = 192, 128  # pixels of a strip's frame along its longer side: half the video's, between these
SHA256 = re.compile(r"[0-9a-f]{64}")
LOCAL = threading.local()


@dataclass(frozen=True)
class Footage:
    """A video beside the page at videos/<sha256[:2]>/<sha256>.mp4, its strip there as .jpg; or why there is none."""

    sha256: str = ""
    strip: bool = False
    missing: str = ""


def place_all(
    videos: Sequence[tuple[Path, VideoRecord]],
    out: Path,
    workers: int = 0,
    tell: Callable[[str], None] | None = None,
) -> list[Footage]:
    """Puts the videos of (run's folder, record) below `out`, linked or copied, and makes their strips, once each.

    Strips and links of an earlier report that are not of `videos` are removed.
    """
    (out / VIDEOS).mkdir(parents=True, exist_ok=True)
    found: list[Footage] = []
    threads = ThreadPoolExecutor(workers or len(os.sched_getaffinity(0)))
    try:
        for footage in threads.map(lambda one: placed(*one, out), videos):
            found.append(footage)
            if tell and len(found) % 500 == 0:
                tell(f"{len(found)} of {len(videos)} videos are in place")
    finally:
        threads.shutdown(cancel_futures=True)  # a build that is told to end does not finish its queue
    _sweep(out / VIDEOS, {one.sha256 for one in found})
    return found


def placed(folder: Path, video: VideoRecord, out: Path) -> Footage:
    """One video of a run's folder; whatever is wrong with it is told, not raised."""
    if video.failure != OK:
        return Footage(missing=f"not made: {video.failure}")
    if not SHA256.fullmatch(video.sha256):
        return Footage(missing="the manifest has no checksum of it")
    try:
        source = confined(folder, video.path)
        target = out / VIDEOS / video.sha256[:2] / f"{video.sha256}.mp4"
        if not target.exists() or target.stat().st_size != source.stat().st_size:
            if sha256_file(source) != video.sha256:
                return Footage(missing="the file is another one than when it was made")
            target.parent.mkdir(exist_ok=True)
            _replace(target, lambda temporary: link_or_copy(source, temporary))
    except PathOutsideRoot:
        return Footage(missing="its path leaves the run's folder")
    except OSError as error:
        return Footage(missing=f"the file cannot be had: {error.strerror}")
    return Footage(video.sha256, _strip(target))


def _strip(video: Path) -> bool:
    """Whether there is a strip beside `video`; makes it when it is not there and the video decodes."""
    path = video.with_suffix(".jpg")
    if not path.exists():
        data = strip(video)
        if data is None:
            return False
        _replace(path, lambda temporary: temporary.write_bytes(data))
    return True


def strip(video: Path) -> bytes | None:
    """Six evenly spaced frames side by side as a JPEG, the first and the last among them; None if it does not decode.

    A video of fewer frames shows its last one again, so that every strip has six.
    """
    import av
    from PIL import Image

    try:
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            total = stream.frames or sum(1 for _ in container.decode(stream))
            container.seek(0)
            wanted = frame_indices(total, FRAMES)
            pictures = [_small(picture) for at, picture in enumerate(container.decode(stream)) if at in wanted]
        whole = np.concatenate(pictures + pictures[-1:] * (FRAMES - len(pictures)), axis=1)
    except (av.FFmpegError, OSError, EOFError, IndexError, ValueError):
        return None
    data = io.BytesIO()
    Image.fromarray(whole).save(data, "JPEG", quality=QUALITY)
    return data.getvalue()


def _small(picture):
    """A decoded frame as RGB uint8 [h, w, 3]: half its size where that is LEAST to SIDE pixels along its longer side,
    which is the microworld's every square again; else the nearer of the two, or its own size where that is less."""
    from av.video.reformatter import Interpolation, VideoReformatter

    if not hasattr(LOCAL, "reformatter"):
        LOCAL.reformatter = VideoReformatter()  # setting one up takes longer than a frame of 256 x 256
    side = max(picture.height, picture.width)
    share = min(1.0, min(SIDE, max(LEAST, side / 2)) / side)
    size = {"width": max(1, round(picture.width * share)), "height": max(1, round(picture.height * share))}
    return LOCAL.reformatter.reformat(picture, **size, format="rgb24", interpolation=Interpolation.AREA).to_ndarray()


def _replace(path: Path, make: Callable[[Path], object]) -> None:
    """Without fsync: what a power cut spoils is made again from the run, if its file is removed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{id(make)}.tmp")
    try:
        make(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _sweep(folder: Path, kept: set[str]) -> None:
    for path in folder.glob("[0-9a-f][0-9a-f]/*"):
        if SHA256.fullmatch(path.stem) and path.suffix in (".mp4", ".jpg") and path.stem not in kept:
            path.unlink()
