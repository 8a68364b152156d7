"""Frames of an episode by row: exactly those recorded with the row, never a neighbour, never a clamped one."""

import os
import zipfile
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from media.errors import MediaError
from media.index import FrameIndex
from media.plan import Wanted, exact_plan
from robots.episode import Episode, Footage

# A container whose frame rate is further than this from the rows' has a wrong tag: its times are not believed.
RATE_TOLERANCE = 0.02
ARRAYS = ".npz"


def read_frames(footage: Footage, rows: Sequence[int], fps: float, size: tuple[int, int] | None = None) -> np.ndarray:
    """The frames of `rows` in their order, uint8 [n, H, W, 3] RGB; a row may come twice.

    fps: rows a second. size: (height, width), reached by bilinear resizing without antialias (as Ctrl-World's data
    were), else the video's own. A run of rows is decoded in one pass. Raises ValueError for a row that the footage
    does not have, MediaError for a file or frame that cannot be read.
    """
    places, order = np.unique(np.asarray(rows, np.int64), return_inverse=True)
    if not len(places):
        raise ValueError("no rows are asked for: name one at least")
    read = _array_frames if footage.path.suffix == ARRAYS else _video_frames
    frames = read(footage, places, fps, size)
    return frames if np.array_equal(order, np.arange(len(places))) else frames[order]


def read_views(episode: Episode, rows: Sequence[int], size: tuple[int, int] | None = None) -> np.ndarray:
    """The frames of `rows` of every view, uint8 [n, V, H, W, 3] RGB, views in the episode's order. See read_frames;
    views of unlike sizes need a `size`, else ValueError."""
    views = [read_frames(footage, rows, episode.fps, size) for footage in episode.footage.values()]
    if len({frames.shape for frames in views}) > 1:
        sizes = ", ".join(f"{name} {v.shape[2]}x{v.shape[1]}" for name, v in zip(episode.footage, views, strict=True))
        raise ValueError(f"episode {episode.episode_id} has views of unlike sizes ({sizes}): give the size wanted")
    return np.stack(views, axis=1)


def _video_frames(footage: Footage, places: np.ndarray, fps: float, size: tuple[int, int] | None) -> np.ndarray:
    from media.decode import decode_stills

    index, first, stop = span(footage, fps)
    _check(footage.path, places, stop - first)
    pts = index.pts[first + places].tolist()
    place_of = {time: place for place, time in enumerate(pts)}
    seconds = ((index.pts[first + places] - index.pts[0]) * float(index.time_base)).tolist()
    plan = exact_plan(index, [Wanted(time, at, at) for time, at in zip(pts, seconds, strict=True)])
    frames: np.ndarray | None = None
    for still in decode_stills(footage.path, plan, max_side_px=None, order="rgb"):
        row = int(places[place_of[still.pts]])
        if still.picture is None:
            raise MediaError(still.error.reason, f"{footage.path}, row {row}: {still.error.detail}")
        picture = still.picture if size is None else _resized(still.picture, size)
        if frames is None:
            frames = np.empty((len(pts), *picture.shape), np.uint8)
        if picture.shape != frames.shape[1:]:
            raise MediaError("corrupt_frame", f"{footage.path}, row {row} is {picture.shape[1]}x{picture.shape[0]}")
        frames[place_of[still.pts]] = picture
    return frames


def _array_frames(footage: Footage, places: np.ndarray, fps: float, size: tuple[int, int] | None) -> np.ndarray:
    try:
        with np.load(footage.path, allow_pickle=False) as arrays:
            stored = arrays["frames"]
    except FileNotFoundError as error:
        raise MediaError("absent_file", os.fspath(footage.path)) from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise MediaError("unreadable", f"{footage.path}: {error}") from error
    _check(footage.path, places, len(stored))
    frames = stored[places, footage.view]
    return frames if size is None else np.stack([_resized(frame, size) for frame in frames])


def _check(path: Path, places: np.ndarray, count: int) -> None:
    if places[0] < 0 or places[-1] >= count:
        wrong = int(places[0] if places[0] < 0 else places[-1])
        raise ValueError(f"{path} has no row {wrong}: this episode's rows are 0 to {count - 1}")


def _resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if picture.shape[:2] == tuple(size):
        return picture
    import cv2

    return cv2.resize(picture, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)


def span(footage: Footage, fps: float) -> tuple[FrameIndex, int, int]:
    """The file's index, and which of its frames are the footage's: from the first up to, not including, the last.

    Seconds are the container's own, counted from its first frame, where its rate is `fps`; else frames are counted at
    `fps`, since only the tag is wrong. Raises MediaError for a file that ends before the footage begins.
    """
    facts = file_facts(footage.path)
    index = FrameIndex.from_row(facts)
    if footage.start_s == 0 and footage.end_s is None:
        return index, 0, len(index.pts)
    first = _nearest(index, footage.start_s, fps, facts["fps"])
    stop = len(index.pts) if footage.end_s is None else _nearest(index, footage.end_s, fps, facts["fps"])
    if first >= len(index.pts):
        detail = f"{footage.path} has {len(index.pts)} frames: the episode begins at {footage.start_s:.3f} s"
        raise MediaError("shorter_than_row", detail)
    return index, first, min(stop, len(index.pts))


def _nearest(index: FrameIndex, seconds: float, fps: float, rate: float) -> int:
    """The number of the frame nearest to a time; the number of frames for times at or after the end."""
    if index.counted or not rate_agrees(rate, fps):
        return round(seconds * fps)
    ticks = (index.pts - index.pts[0]).astype(np.float64) * float(index.time_base)
    middles = (ticks[1:] + ticks[:-1]) / 2
    end = ticks[-1] + 0.5 / fps
    return int(np.searchsorted(np.append(middles, end), seconds, side="right"))


def count_frames(footage: Footage, fps: float) -> tuple[int, float | None]:
    """How many frames the footage has, and the rate its file says, None for an array file. Raises MediaError."""
    if footage.path.suffix == ARRAYS:
        return array_sizes(footage.path)[0], None
    _, first, stop = span(footage, fps)
    return stop - first, file_facts(footage.path)["fps"]


def array_sizes(path: Path) -> tuple[int, int]:
    """Frames and views of an array file, from the header of `frames`: the pictures are not read.

    Raises OSError, zipfile.BadZipFile, and ValueError for other arrays.
    """
    with zipfile.ZipFile(path) as archive, archive.open("frames.npy") as handle:
        version = np.lib.format.read_magic(handle)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(handle)
    if len(shape) != 5 or shape[-1] != 3 or kind != np.uint8:
        raise ValueError(f"frames are {kind} {list(shape)}: uint8 [n, V, H, W, 3] is expected")
    return shape[0], shape[1]


def rate_agrees(rate: float, fps: float) -> bool:
    return abs(rate - fps) <= RATE_TOLERANCE * fps


def file_facts(path: Path) -> dict:
    """What media.probe says of a file, kept for the files read last. Raises MediaError."""
    from media.probe import probe

    try:
        status = os.stat(path)
    except OSError:
        return probe(path)  # which says what is wrong
    return _probed(os.fspath(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _probed(path: str, size: int, mtime_ns: int) -> dict:
    from media.probe import probe

    return probe(Path(path))
