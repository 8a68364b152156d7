"""Windows of the collection's clips, each labelled with a task by the VLM: what the baseline `sft` is trained on."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from media.decode import decode_stills
from media.errors import MediaError
from media.index import FrameIndex
from media.plan import Wanted, exact_plan, nearest, shots, with_neighbours
from media.remote import RemotePath
from models.video.options import VideoModelOptions
from models.vlm.ask_all import ask_all
from models.vlm.prompts import prompt
from models.vlm.protocol import VLM, Completion, Video
from models.vlm.tidy import tidy
from storage.files import sha256_bytes
from storage.tables import chunks
from training.conditions.options import SFTVideoOptions

PROMPT = "video_task"
SCHEMA = {
    "type": "object",
    "properties": {"task": {"type": "string"}},
    "required": ["task"],
    "additionalProperties": False,
}
MAX_SIDE_PX, SHOWN_SIDE_PX = 1280, 640  # of the frames encoded, and of those the VLM sees


@dataclass(frozen=True)
class Window:
    """A part of a clip: `seconds` long from `start_s` on, `frames` of it evenly spaced, the last at its end."""

    clip: dict  # a row of curation.schemas.CLIPS
    path: Path | RemotePath
    start_s: float
    seconds: float
    frames: int

    def times_s(self, places: Iterable[int]) -> list[Fraction]:
        """When the frames at `places` (0 .. frames - 1) are, in seconds after the clip's first."""
        step = Fraction(self.seconds) / max(self.frames - 1, 1)
        return [Fraction(self.start_s) + place * step for place in places]

    @property
    def id(self) -> str:
        return f"{self.clip['clip_id']}_{round(self.start_s * 1000):08d}"


def windows(
    clips: Iterable[tuple[dict, Path | RemotePath]],
    model: VideoModelOptions,
    options: SFTVideoOptions,
    most_cropped: float = 1.0,
) -> list[Window]:
    """All whole windows of the clips, end to end, in the order of their ids. Clips are (row of CLIPS, file).

    No window runs over a cut that the row names.
    Clips that would lose more than the share `most_cropped` of their pictures to the model's shape have none.
    """
    from models.video.pixels import cut_share

    shape = (model.height, model.width)
    seconds = options.seconds or model.frames / model.fps
    found = [
        Window(clip, path, start_s, seconds, model.frames)
        for clip, path in clips
        if cut_share((clip["height"], clip["width"]), shape) <= most_cropped
        for start_s in window_starts_s(clip, seconds)
    ]
    return sorted(found, key=lambda window: window.id)


def window_starts_s(clip: dict, seconds: float) -> list[float]:
    """Where whole windows of a clip begin, end to end; where its cuts are known, of each of its shots."""
    if not clip.get("cut_pts"):
        return [number * seconds for number in range(int((clip["duration_s"] or 0.0) / seconds + 1e-6))]
    index = FrameIndex.from_row(clip)
    spans = [(index.seconds(first), index.seconds(last)) for first, last in shots(index.pts, clip["cut_pts"])]
    return [
        first_s + number * seconds
        for first_s, last_s in spans
        for number in range(int((last_s - first_s) / seconds + 1e-6))
    ]


def read_window(window: Window, only: Sequence[int] | None = None, max_side_px: int | None = None) -> np.ndarray:
    """uint8 [T, H, W, 3] RGB: the frames nearest the window's times, or those of them at the places `only`.

    Raises MediaError when one cannot be had.
    """
    index = FrameIndex.from_row(window.clip)
    places = range(window.frames) if only is None else only
    ticks = [Fraction(time) / index.time_base for time in window.times_s(places)]
    chosen = nearest(index.pts, ticks, int(index.pts[0]))
    distinct = sorted(set(chosen))
    wanted = tuple(Wanted(pts, index.seconds(pts), index.seconds(pts)) for pts in distinct)
    pictures: dict[int, np.ndarray] = {}
    plan = exact_plan(index, wanted)
    if window.clip.get("interlaced"):
        plan = with_neighbours(plan, index)
    for still in decode_stills(window.path, plan, max_side_px):
        if still.picture is None:
            raise still.error
        pictures[still.pts] = still.picture[:, :, ::-1]
    return np.stack([pictures[pts] for pts in chosen])


def label_windows(
    found: Sequence[Window],
    vlm: VLM,
    journal: Path,
    options: SFTVideoOptions,
    concurrency: int,
    run=asyncio.run,
    wanted: Callable[[str], bool] = bool,
) -> list[tuple[Window, str]]:
    """The first `options.count` windows in which the VLM sees a `wanted` task done, each with that task; fewer when it
    sees no more. Windows are taken from all over the collection. A killed run asks none again: answers are journaled.

    Raises TooManyFailures as `ask_all`.
    """
    request = prompt(PROMPT)
    labels: list[tuple[Window, str]] = []

    async def ask(client: VLM, item: dict) -> Completion:
        return await client.complete(request, [item["video"]], SCHEMA, max_tokens=options.max_tokens)

    # Few at a time where few are wanted: about half of all windows show something done.
    for some in chunks(spread(found), min(4 * concurrency, max(concurrency, 2 * options.count))):
        items = [{"window": window, "video": video} for window in some if (video := shown(window, options)) is not None]
        for item, answer in ask_all(items, ask, vlm, journal, concurrency, options.max_failed_share, run):
            task = tidy(answer.value["task"]) if isinstance(answer, Completion) and answer.value else ""
            if task and wanted(task):
                labels.append((item["window"], task))
        if len(labels) >= options.count:
            break
    return labels[: options.count]


def read_videos(labels: Iterable[tuple[Window, str]]) -> Iterator[tuple[str, str, np.ndarray]]:
    """(id, task, frames) of labelled windows, one in memory at a time; those that cannot be read are left out."""
    for window, task in labels:
        try:
            yield window.id, task, read_window(window, max_side_px=MAX_SIDE_PX)
        except MediaError:
            continue


def spread(found: Sequence[Window]) -> list[Window]:
    """All windows, ordered by a hash of their ids: any few first ones are of many clips."""
    return sorted(found, key=lambda window: sha256_bytes(window.id.encode()))


def shown(window: Window, options: SFTVideoOptions) -> Video | None:
    """What the VLM sees of a window; None when it cannot be read, or all its frames are one picture."""
    count = min(options.judge_frames, window.frames)
    places = np.unique(np.linspace(0, window.frames - 1, count).round().astype(int)).tolist()
    try:
        frames = read_window(window, places, SHOWN_SIDE_PX)
    except MediaError:
        return None
    if not (frames[1:] != frames[:-1]).any():
        return None
    data = tuple(cv2.imencode(".png", frame[:, :, ::-1])[1].tobytes() for frame in frames)
    return Video(data, tuple(round(float(time), 3) for time in window.times_s(places)))
