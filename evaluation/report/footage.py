"""Videos beside the page, under names made of their content, each with a strip of six of its frames."""

import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from evaluation.records import OK, VideoRecord
from evaluation.strips import strip_of, strip_path
from storage.files import PathOutsideRoot, confined, sha256_file
from storage.full_disk import CannotWrite, naming
from storage.links import link_or_copy

VIDEOS = "videos"
SHA256 = re.compile(r"[0-9a-f]{64}")


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
    """One video of a run's folder; whatever is wrong with it is told, not raised. Raises CannotWrite for `out`."""
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
            with naming(target):
                target.parent.mkdir(exist_ok=True)
            _replace(target, lambda temporary: link_or_copy(source, temporary))
    except PathOutsideRoot:
        return Footage(missing="its path leaves the run's folder")
    except CannotWrite:
        raise
    except OSError as error:
        return Footage(missing=f"the file cannot be read: {error.strerror}")
    return Footage(video.sha256, _strip(target, strip_path(folder, video.sha256)))


def _strip(video: Path, made: Path) -> bool:
    """Whether there is a strip beside `video`: the one that was `made` with it, else one made now, if it decodes."""
    path = video.with_suffix(".jpg")
    if path.exists():
        return True
    if made.is_file():
        _replace(path, lambda temporary: link_or_copy(made, temporary))
        return True
    data = strip_of(video)
    if data is not None:
        _replace(path, lambda temporary: temporary.write_bytes(data))
    return data is not None


def _replace(path: Path, make: Callable[[Path], object]) -> None:
    """Without fsync: what a power cut spoils is made again from the run, if its file is removed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{id(make)}.tmp")
    with naming(path):
        try:
            make(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _sweep(folder: Path, kept: set[str]) -> None:
    for path in folder.glob("[0-9a-f][0-9a-f]/*"):
        if SHA256.fullmatch(path.stem) and path.suffix in (".mp4", ".jpg") and path.stem not in kept:
            path.unlink()
