"""Windows of the collection's clips, each labelled with a task by the VLM: what the baseline `sft` is trained on."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from assets.conditions.options import SFTVideoOptions
from assets.media.decode import decode_stills
from assets.media.errors import MediaError
from assets.media.index import FrameIndex
from assets.media.plan import Plan, Wanted, exact_runs, nearest
from assets.tasks.rules import tidy
from assets.vlm_calls import ask_all
from models.video.options import VideoModelOptions
from models.vlm.prompts import prompt
from models.vlm.protocol import VLM, Completion, Video

PROMPT = "video_task"
SCHEMA = {
    "type": "object",
    "properties": {"task": {"type": "string"}},
    "required": ["task"],
    "additionalProperties": False,
}
MAX_SIDE_PX = 1280


@dataclass(frozen=True)
class Window:
    """A part of a clip: `seconds` long from `start_s` on, `frames` of it evenly spaced, the last at its end."""

    clip: dict  # a row of assets.schemas.CLIPS
    path: Path
    start_s: float
    seconds: float
    frames: int

    @property
    def id(self) -> str:
        return f"{self.clip['clip_id']}_{round(self.start_s * 1000):08d}"


def windows(clips: Iterable[tuple[dict, Path]], model: VideoModelOptions, options: SFTVideoOptions) -> list[Window]:
    """All whole windows of the clips, end to end, in the order of their ids. Clips are (row of CLIPS, file)."""
    seconds = options.seconds or model.frames / model.fps
    found = [
        Window(clip, path, number * seconds, seconds, model.frames)
        for clip, path in clips
        for number in range(int((clip["duration_s"] or 0.0) / seconds + 1e-6))
    ]
    return sorted(found, key=lambda window: window.id)


def read_window(window: Window) -> np.ndarray:
    """uint8 [T, H, W, 3] RGB: the frames nearest the window's times. Raises MediaError when one cannot be had."""
    index = FrameIndex.from_row(window.clip)
    step = Fraction(window.seconds) / max(window.frames - 1, 1)
    ticks = [(Fraction(window.start_s) + i * step) / index.time_base for i in range(window.frames)]
    chosen = nearest(index.pts, ticks, int(index.pts[0]))
    distinct = sorted(set(chosen))
    wanted = tuple(Wanted(pts, index.seconds(pts), index.seconds(pts)) for pts in distinct)
    pictures: dict[int, np.ndarray] = {}
    for still in decode_stills(window.path, Plan("exact", wanted, exact_runs(index, distinct)), MAX_SIDE_PX):
        if still.picture is None:
            raise still.error
        pictures[still.pts] = still.picture[:, :, ::-1]
    return np.stack([pictures[pts] for pts in chosen])


def labelled(
    found: Iterable[Window], vlm: VLM, journal: Path, options: SFTVideoOptions, concurrency: int, run=asyncio.run
) -> Iterator[tuple[str, str, np.ndarray]]:
    """(id, task, frames) of the first `options.count` windows in which the VLM sees a task done.

    Windows are spread over all clips. Labels are journaled by the bytes the VLM saw, so a killed run asks none again.
    Raises vlm_calls.TooManyFailures.
    """
    found = list(found)
    request = prompt(PROMPT)
    # Every k-th window first, so that a small count still sees many clips.
    order = [window for offset in range(STRIDE) for window in found[offset::STRIDE]]
    taken = 0
    for first in range(0, len(order), options.count or 1):
        if taken >= options.count:
            return
        sound = [(window, frames) for window in order[first : first + options.count] if _moves(frames := _read(window))]

        async def ask(client: VLM, item: dict) -> Completion:
            return await client.complete(request, [item["video"]], SCHEMA, max_tokens=options.max_tokens)

        items = [{"video": _shown(frames, window, options), "window": window} for window, frames in sound]
        answers = ask_all(items, ask, vlm, journal, concurrency, options.max_failed_share, run)
        for (window, frames), (_, answer) in zip(sound, answers, strict=True):
            if taken < options.count and isinstance(answer, Completion) and answer.value:
                task = tidy(answer.value["task"])
                if task:
                    taken += 1
                    yield window.id, task, frames


STRIDE = 8


def _read(window: Window) -> np.ndarray | None:
    try:
        return read_window(window)
    except MediaError:
        return None


def _moves(frames: np.ndarray | None) -> bool:
    """Whether there is anything to label: frames that could be read, and not all one picture."""
    return frames is not None and bool((frames[1:] != frames[:-1]).any())


def _shown(frames: np.ndarray, window: Window, options: SFTVideoOptions) -> Video:
    at = np.unique(np.linspace(0, len(frames) - 1, min(options.judge_frames, len(frames))).round().astype(int))
    step = window.seconds / max(len(frames) - 1, 1)
    data = tuple(cv2.imencode(".png", frames[i][:, :, ::-1])[1].tobytes() for i in at)
    return Video(data, tuple(round(float(i * step), 3) for i in at))
