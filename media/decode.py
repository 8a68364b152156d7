"""Executes a plan: the planned frames as upright pictures, and nothing decoded that can be left out.

Three savings, none of which changes a pixel. A keyframe is decoded alone and drained, since waiting for the
reordering delay would decode its neighbours. A run ends by draining once the packets of its targets are in. And a
frame that no other refers to is dropped unread when it is not wanted. What does not come out that way is looked for:
media/taking.py.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av.error
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media.container import MAX_PIXELS, check_pixels, opened, pixel_aspect
from media.display import Order, Painter
from media.errors import MediaError
from media.fields import deinterlaced, is_interlaced
from media.neighbours import Taken, paired
from media.plan import Plan
from media.reader import Reader
from media.taking import take
from media.tone_map import is_hdr, transfer_name
from media.treatment import Treatment


@dataclass(frozen=True, eq=False)
class Still:
    """A planned frame: its picture (uint8 [h, w, 3]), or why there is none (a MediaError of a frame)."""

    pts: int
    picture: np.ndarray | None = None
    error: MediaError | None = None


def decode_stills(
    path: Path,
    plan: Plan,
    max_side_px: int | None = 1280,
    max_pixels: int = MAX_PIXELS,
    treatment: Treatment = Treatment(),
    patience_s: float = float("inf"),
    order: Order = "bgr",
) -> Iterator[Still]:
    """Yields one Still for each wanted frame, holding one picture at a time, in no certain order.

    A still is delivered only when its presentation time is the planned one, or for a plan that counts, when it is the
    planned one in the order shown. `treatment`: of interlaced and HDR frames. After `patience_s` seconds frames that
    are hard to reach are given up ("timeout"). `order`: of channels. Raises MediaError for the file as a whole.
    """
    deadline = time.monotonic() + patience_s
    wanted = {frame.pts for frame in plan.wanted}
    with opened(path, max_pixels) as (container, stream):
        painter = Painter(max_side_px, tone_map=treatment.hdr == "tone_map", order=order)
        found = take(path, Reader(container, stream), plan, max_pixels, deadline)
        for taken, beside in paired(found, dict(plan.beside)):
            if taken.pts not in wanted:
                continue
            if taken.frame is not None:
                check_pixels(taken.frame.width, taken.frame.height, max_pixels)
            try:
                picture = picture_of(taken, beside, stream, painter, treatment)
            except MediaError as error:
                yield Still(taken.pts, error=error)
            else:
                yield Still(taken.pts, picture)


def picture_of(
    taken: Taken,
    beside: VideoFrame | None,
    stream: VideoStream,
    painter: Painter,
    treatment: Treatment,
) -> np.ndarray:
    """uint8 [h, w, 3], in the painter's order. Raises MediaError with a reason of a frame."""
    frame = taken.frame
    if taken.late:
        raise MediaError("timeout", f"the frame at {taken.pts} needs one pass over the file: raise timeout_s")
    if frame is None and taken.sound:
        raise MediaError("frame_not_delivered", f"no frame at {taken.pts} came out of the decoder")
    if not taken.sound:
        raise MediaError("corrupt_frame", f"the frame at {taken.pts} or one it needs is damaged")
    if treatment.hdr == "reject" and is_hdr(frame):
        raise MediaError("hdr", f"transfer {transfer_name(frame.color_trc)}")
    try:
        if treatment.interlaced != "keep" and is_interlaced(frame, stream):
            if treatment.interlaced == "reject":
                raise MediaError("interlaced", f"the frame at {taken.pts} holds two fields")
            frame = deinterlaced(frame, stream, beside)
        return painter.paint(frame, pixel_aspect(stream))
    except av.error.MemoryError:
        raise
    except (av.error.FFmpegError, ValueError) as error:  # a colour matrix or pixel format that swscale does not know
        raise MediaError(
            "unsupported_colour", f"{frame.format.name}, colour matrix {frame.colorspace}: {error}"
        ) from None
