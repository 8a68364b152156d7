"""Executes a plan: the planned frames as upright BGR pictures, and nothing decoded that can be left out.

Three savings, none of which changes a pixel. A keyframe is decoded alone and drained, since waiting for the
reordering delay would decode its neighbours. A run ends by draining once the packets of its targets are in. And a
frame that no other refers to is dropped unread when it is not wanted. A planned frame that does not come out that way
is tried again with the last two off.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av.error
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media.container import MAX_PIXELS, check_pixels, opened
from media.display import Painter
from media.errors import MediaError
from media.plan import Plan, Run
from media.probe import pixel_aspect


@dataclass(frozen=True, eq=False)
class Still:
    """A planned frame: its picture (uint8 [h, w, 3] BGR), or why there is none (a MediaError of a frame)."""

    pts: int
    picture: np.ndarray | None = None
    error: MediaError | None = None


def decode_stills(
    path: Path, plan: Plan, max_side_px: int | None = 1280, max_pixels: int = MAX_PIXELS
) -> Iterator[Still]:
    """Yields one Still for each wanted frame, run by run, holding one picture at a time.

    A still is delivered only when its presentation time is the planned one. Raises MediaError for the file as a whole.
    """
    with opened(path, max_pixels) as (container, stream):
        reader = Reader(container, stream)
        painter = Painter(max_side_px)
        for run in plan.runs:
            missing, reader.damaged = set(run.targets), False
            for careful in (False, True):
                for frame, sound in reader.frames(run, frozenset(missing), careful):
                    missing.discard(frame.pts)
                    yield still(frame, sound, stream, painter, max_pixels)
                if not missing:
                    break
            for pts in sorted(missing):
                reason = "corrupt_frame" if reader.damaged else "frame_not_delivered"
                yield Still(pts, error=MediaError(reason, f"no frame at {pts} came out of the decoder"))


def still(frame: VideoFrame, sound: bool, stream: VideoStream, painter: Painter, max_pixels: int) -> Still:
    if not sound:
        return Still(
            frame.pts, error=MediaError("corrupt_frame", f"the frame at {frame.pts} or one it needs is damaged")
        )
    check_pixels(frame.width, frame.height, max_pixels)
    return Still(frame.pts, painter.paint(frame, pixel_aspect(stream)))


class Reader:
    """Decodes runs of one open stream."""

    def __init__(self, container: InputContainer, stream: VideoStream):
        self.container = container
        self.stream = stream
        self.context = stream.codec_context
        self.can_skip = drops_only_unused(stream)
        self.damaged = False  # whether the decoder refused a packet of the latest run

    def frames(self, run: Run, wanted: frozenset[int], careful: bool) -> Iterator[tuple[VideoFrame, bool]]:
        """The frames of a run whose times are wanted, each with whether it is sound.

        Unsound: the decoder reported an error in this frame or in one since the last keyframe, which this one may
        refer to. `careful`: decode everything, and wait for the frames instead of draining.
        """
        missing, unfed, end = set(wanted), set(wanted), max(wanted)
        damage: int | None = None
        for packet in self.packets(run.start):
            self.context.skip_frame = (
                "NONREF" if self.can_skip and not careful and packet.pts not in wanted else "DEFAULT"
            )
            unfed.discard(packet.pts)
            last = not packet.size or (not unfed and not careful)
            try:
                frames = self.context.decode(packet if packet.size else None)
                if last and packet.size:
                    frames += self.context.decode(None)
            except av.error.MemoryError:
                raise
            except av.error.FFmpegError:
                frames, damage, self.damaged = [], later(damage, packet.pts), True
            for frame in frames:
                if frame.is_corrupt:
                    damage = later(damage, frame.pts)
                elif frame.key_frame and damage is not None and frame.pts > damage:
                    damage = None
                if frame.pts in missing:
                    missing.discard(frame.pts)
                    yield frame, damage is None or (frame.key_frame and not frame.is_corrupt)
                # Frames come out in the order they are shown: what is missing now will not come.
                last = last or (frame.pts is not None and frame.pts > end)
            if last or not missing:
                return

    def packets(self, start: int) -> Iterator[Packet]:
        """Packets from the keyframe at `start` on, in decoding order, with the empty one at the end of the file.

        Seeks are verified: where one lands late, an earlier time is tried, at last the beginning. Nothing comes when
        the keyframe is not found.
        """
        for back_s in (0, 1, 10, None):
            offset = start - round(back_s / self.stream.time_base) if back_s is not None else -(2**62)
            try:
                self.container.seek(offset, stream=self.stream)
            except av.error.FFmpegError:
                continue
            packets = self.container.demux(self.stream)
            for packet in packets:
                if packet.pts == start and packet.is_keyframe:
                    yield packet
                    # An empty packet with a time is a frame dropped when recording; fed, it would end the decoding.
                    yield from (packet for packet in packets if packet.size or packet.pts is None)
                    return
                if packet.pts is not None and packet.is_keyframe and packet.pts > start:
                    break


def later(damage: int | None, pts: int | None) -> int | None:
    """The later of two times, either of which may be unknown; unknown damage is damage from the start."""
    return max(-(2**63) if damage is None else damage, -(2**63) if pts is None else pts)


def drops_only_unused(stream: VideoStream) -> bool:
    """Whether dropping frames marked "not a reference" leaves every other frame as it is.

    True of H.264. In HEVC the mark only speaks of the frame's own temporal layer, so it holds when the header says
    that there is one layer (numTemporalLayers of the hvcC record, ISO/IEC 14496-15). Other decoders ignore the mark
    or read it otherwise.
    """
    name = stream.codec_context.codec.canonical_name
    if name == "hevc":
        header = stream.codec_context.extradata or b""
        return len(header) > 21 and header[0] == 1 and (header[21] >> 3) & 7 == 1
    return name == "h264"
