"""From a run's video file to what the judge is shown of it."""

import math
from dataclasses import dataclass
from pathlib import Path

from evaluation.records import OK, VideoRecord
from evaluation.videos import read_frames
from models.vlm.frames import encoded, frame_indices
from models.vlm.protocol import Video
from storage.files import confined, sha256_bytes, sha256_file


class Undecodable(ValueError):
    """A video that cannot be judged; the message says why."""


@dataclass(frozen=True)
class Look:
    """Which frames of a video file are shown, at which times, and as what. Known before anything is decoded."""

    video_sha256: str
    indices: tuple[int, ...]
    times_s: tuple[float, ...]
    image_format: str

    @property
    def sha256(self) -> str:
        """Stands for the shown pictures in the key of a request: they follow from these fields."""
        return sha256_bytes(repr((self.video_sha256, self.indices, self.times_s, self.image_format)).encode())


def planned(record: VideoRecord, frames: int, image_format: str) -> Look:
    """How `frames` frames of a video are looked at. Raises Undecodable when the manifest has no video to look at."""
    if record.failure != OK:
        raise Undecodable(f"no video was made: {record.failure}")
    if record.frames < 2:
        raise Undecodable(f"{record.frames} frames: a video needs at least 2")
    if not (math.isfinite(record.fps) and record.fps > 0):
        raise Undecodable(f"{record.fps} frames per second: the rate must be positive")
    indices = frame_indices(record.frames, frames)
    return Look(record.sha256, indices, tuple(index / record.fps for index in indices), image_format)


def verified(folder: Path, record: VideoRecord) -> Path:
    """The video's path when its file is the one of the manifest. Raises Undecodable, and PathOutsideRoot."""
    path = confined(folder, record.path)
    try:
        found = sha256_file(path)
    except OSError as error:
        raise Undecodable(f"{record.path}: {error.strerror}") from error
    if not path.stat().st_size:
        raise Undecodable(f"{record.path}: the file is empty")
    if found != record.sha256:
        raise Undecodable(f"{record.path}: its SHA-256 is {found[:16]}..., the manifest's {record.sha256[:16]}...")
    return path


def looked(path: Path, record: VideoRecord, look: Look) -> Video:
    """The frames of `look`, encoded. Raises Undecodable for a file that does not decode or has another frame count."""
    try:
        pixels = read_frames(path, record.frames)
    except (OSError, ValueError) as error:
        raise Undecodable(str(error).replace(str(path), record.path)) from error
    return Video(encoded(pixels[list(look.indices)], look.image_format), look.times_s)
