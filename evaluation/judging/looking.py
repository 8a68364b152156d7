"""From a run's video file to what the judge is shown of it."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from evaluation.given import NotGiven, given_picture
from evaluation.records import OK, Sample, VideoRecord
from evaluation.videos import read_frames
from models.vlm.frames import encoded, frame_indices
from models.vlm.protocol import Image, Media, Prompt, Video
from storage.files import confined, sha256_bytes, sha256_file

GIVEN = (
    "The first picture is not part of the video. It is the picture that the video model was given, and where the video "
    "should begin. What follows it are the video's frames; where its first frame differs from the given picture, go by "
    "the given picture."
)


class Undecodable(ValueError):
    """A video that cannot be judged; the message says why."""


@dataclass(frozen=True)
class Look:
    """Which frames of a video file are shown, at which times, and as what. Known before anything is decoded.

    `given_sha256` is that of the picture's file that is shown before them, "" for none.
    """

    video_sha256: str
    indices: tuple[int, ...]
    times_s: tuple[float, ...]
    image_format: str
    given_sha256: str = ""

    @property
    def sha256(self) -> str:
        """Stands for the shown pictures in the key of a request: they follow from these fields."""
        told = (self.video_sha256, self.indices, self.times_s, self.image_format)
        return sha256_bytes(repr((*told, self.given_sha256) if self.given_sha256 else told).encode())


def planned(record: VideoRecord, frames: int, image_format: str, given: bool = False) -> Look:
    """How `frames` frames of a video are looked at, behind the `given` picture or not.

    Raises Undecodable when the manifest has no video to look at.
    """
    if record.failure != OK:
        raise Undecodable(f"no video was made: {record.failure}")
    if record.frames < 2:
        raise Undecodable(f"{record.frames} frames: a video needs at least 2")
    if not (math.isfinite(record.fps) and record.fps > 0):
        raise Undecodable(f"{record.fps} frames per second: the rate must be positive")
    if given and not record.image_sha256:
        raise Undecodable("the given picture: the run's manifest has no SHA-256 of it")
    indices = frame_indices(record.frames, frames)
    times_s = tuple(index / record.fps for index in indices)
    return Look(record.sha256, indices, times_s, image_format, record.image_sha256 if given else "")


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


def given(benchmark: Path, sample: Sample, record: VideoRecord, look: Look) -> list[Media]:
    """The picture that the video was made of, fitted to its size, where `look` shows it. Raises Undecodable."""
    if not look.given_sha256:
        return []
    try:
        picture = given_picture(benchmark, sample, record)
    except NotGiven as error:
        raise Undecodable(f"the given picture: {error}") from error
    return [Image(encoded(picture[None], look.image_format)[0])]


def told_of(prompt: Prompt) -> Prompt:
    """`prompt` with what the pictures are, where the given one stands before the video's frames."""
    digest = sha256_bytes(f"{GIVEN} {prompt.template_hash}".encode())[:16]
    return replace(prompt, text=f"{GIVEN}\n\n{prompt.text}", template_hash=digest)
