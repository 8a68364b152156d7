"""What DreamGen's judge sees of a video: stills for instruction following, footage for physics."""

from dataclasses import dataclass

import numpy as np

from evaluation.benchmarks.dreamgen.options import PHYSICS, PUBLISHED, DreamgenJudgeOptions
from evaluation.judging.looking import Undecodable
from evaluation.records import OK, VideoRecord
from models.vlm.frames import encoded
from models.vlm.protocol import Image, Media, Video
from storage.files import sha256_bytes


@dataclass(frozen=True)
class Look:
    """Which frames of a video file are shown for a question, and how. Known before anything is decoded."""

    video_sha256: str
    indices: tuple[int, ...]
    times_s: tuple[float, ...]
    form: str

    @property
    def sha256(self) -> str:
        """Stands for the shown pictures in the key of a request: they follow from these fields."""
        return sha256_bytes(repr((self.video_sha256, self.indices, self.times_s, self.form)).encode())


def planned(video: VideoRecord, question: str, options: DreamgenJudgeOptions) -> Look:
    """How a video is looked at for `question`. Raises Undecodable when the manifest has no video to look at."""
    if video.failure != OK:
        raise Undecodable(f"no video was made: {video.failure}")
    if video.frames < 1 or not video.fps > 0:
        raise Undecodable(f"{video.frames} frames, {video.fps} a second: at least 1, and a positive rate are expected")
    chosen = uniform_indices(video.frames, options.frames)
    form = f"video {options.image_format}"
    if question in (PHYSICS, PUBLISHED[PHYSICS]):  # padding would show a frame twice at one time
        chosen = tuple(sorted(set(chosen)))
    else:
        form = f"stills {options.image_format} {options.scale:g} {options.shortest_side}"
    return Look(video.sha256, chosen, tuple(round(index / video.fps, 6) for index in chosen), form)


def looked(frames: np.ndarray, look: Look, options: DreamgenJudgeOptions) -> list[Media]:
    """The media of `look` from a video's frames uint8 [T, H, W, 3]."""
    distinct = sorted(set(look.indices))
    if look.form.startswith("video"):
        return [Video(encoded(frames[distinct], options.image_format), look.times_s)]
    small = encoded(scaled(frames[distinct], options.scale, options.shortest_side), options.image_format)
    stills = dict(zip(distinct, map(Image, small), strict=True))
    return [stills[index] for index in look.indices]


def uniform_indices(total: int, wanted: int) -> tuple[int, ...]:
    """`wanted` indices from 0 to total - 1 at even distances, rounded down, as the benchmark's own script takes them.

    Of fewer frames all, and the last one again until there are enough.
    """
    if total < wanted:
        return (*range(total), *([total - 1] * (wanted - total)))
    return tuple(np.linspace(0, total - 1, wanted, dtype=int).tolist())


def scaled(frames: np.ndarray, scale: float, shortest_side: int) -> np.ndarray:
    """Frames uint8 [F, H, W, 3] at `scale` of their size (bilinear).

    No side gets below `shortest_side` unless it was before: VLMs refuse pictures smaller than one of their patches.
    """
    import cv2

    height, width = frames.shape[1:3]
    scale = min(1.0, max(scale, shortest_side / min(height, width)))
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    return frames if size == (width, height) else np.stack([cv2.resize(frame, size) for frame in frames])


def judge_id(model_id: str, options: DreamgenJudgeOptions) -> str:
    """Names a judge in judgements: the model, and how it looks at a video."""
    return f"{model_id};frames={options.frames}@{options.scale:g}" + (";jpeg" if options.image_format == "jpeg" else "")
