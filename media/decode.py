"""Executes a plan: the planned frames as upright BGR pictures, and nothing decoded that can be left out.

Three savings, none of which changes a pixel. A keyframe is decoded alone and drained, since waiting for the
reordering delay would decode its neighbours. A run ends by draining once the packets of its targets are in. And a
frame that no other refers to is dropped unread when it is not wanted. A planned frame that does not come out that way
is tried again with the last two off.

Containers call packets keyframes that are none: 6-byte placeholders in XviD AVI, every sample of an MP4 without `stss`,
points at which recovery only begins. So a run's frames count from the first one on that the decoder calls a keyframe. A
frame that is missing then is looked for from an earlier keyframe, and at last from the beginning of the file.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
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
from media.fields import deinterlaced, is_interlaced
from media.neighbours import Taken, paired
from media.plan import Plan, Run
from media.probe import pixel_aspect
from media.tone_map import is_hdr, transfer_name
from media.treatment import Treatment

# How far before its keyframe a frame is looked for that did not come out from there: 0 is the keyframe before.
BACK_S = (0, 12)
# The last resort decodes from the beginning. Four minutes of film at 25 frames a second take about as long to decode as
# a file is given (60 s); in a longer file a frame that is still missing is given up.
PLAIN_PACKETS = 6000


@dataclass(frozen=True, eq=False)
class Still:
    """A planned frame: its picture (uint8 [h, w, 3] BGR), or why there is none (a MediaError of a frame)."""

    pts: int
    picture: np.ndarray | None = None
    error: MediaError | None = None


def decode_stills(
    path: Path,
    plan: Plan,
    max_side_px: int | None = 1280,
    max_pixels: int = MAX_PIXELS,
    treatment: Treatment = Treatment(),
) -> Iterator[Still]:
    """Yields one Still for each wanted frame, run by run, holding one picture at a time.

    A still is delivered only when its presentation time is the planned one. AVI files with B-frames are decoded from
    their beginning, as far as PLAIN_PACKETS; beyond, a frame may be another than its time says, by a few.
    `treatment`: of interlaced and HDR frames.

    Raises MediaError for the file as a whole.
    """
    wanted = {frame.pts for frame in plan.wanted}
    with opened(path, max_pixels) as (container, stream):
        painter = Painter(max_side_px, tone_map=treatment.hdr == "tone_map")
        for taken, beside in paired(take(Reader(container, stream), plan), dict(plan.beside)):
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


def take(reader: "Reader", plan: Plan) -> Iterator[Taken]:
    """What became of each target of a plan."""
    left = {pts: False for run in plan.runs for pts in run.targets}  # whether a packet on the way was damaged

    def found(packets: Iterator[Packet], missing: frozenset[int], careful: bool) -> Iterator[Taken]:
        for frame, sound in reader.frames(packets, missing, careful):
            del left[frame.pts]
            yield Taken(frame.pts, frame, sound)

    if reader.counts:
        yield from found(reader.all_packets(), frozenset(left), careful=True)
    for run in plan.runs:
        reader.damaged = False
        for packets, careful in reader.ways(run):
            if not (missing := left.keys() & set(run.targets)):
                break
            yield from found(packets, frozenset(missing), careful)
        left |= dict.fromkeys(left.keys() & set(run.targets), reader.damaged)
    if left and not reader.counts:
        yield from found(reader.all_packets(), frozenset(left), careful=True)
    for pts, damaged in sorted(left.items()):
        yield Taken(pts, None, sound=not damaged)


def picture_of(
    taken: Taken,
    beside: VideoFrame | None,
    stream: VideoStream,
    painter: Painter,
    treatment: Treatment,
) -> np.ndarray:
    """uint8 [h, w, 3] BGR. Raises MediaError with a reason of a frame."""
    frame = taken.frame
    if frame is None:
        reason = "frame_not_delivered" if taken.sound else "corrupt_frame"
        raise MediaError(reason, f"no frame at {taken.pts} came out of the decoder")
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


class Reader:
    """Decodes runs of one open stream."""

    def __init__(self, container: InputContainer, stream: VideoStream):
        self.container = container
        self.stream = stream
        self.context = stream.codec_context
        # AVI stores no presentation times, and FFmpeg gives packets those of the coding order. Which frame is the n-th
        # is known for sure only from the beginning of the file.
        self.counts = container.format.name == "avi" and self.context.has_b_frames
        self.can_skip = not self.counts and drops_only_unused(stream)
        self.damaged = False  # whether the decoder refused a packet of the latest run

    def ways(self, run: Run) -> Iterator[tuple[Iterator[Packet], bool]]:
        """(packets, careful): the ways to a run's frames, the cheapest first."""
        yield self.packets(run.start), False
        yield self.packets(run.start), True
        for back_s in BACK_S:
            yield self.packets_before(run.start, back_s), True

    def frames(
        self, packets: Iterator[Packet], wanted: frozenset[int], careful: bool
    ) -> Iterator[tuple[VideoFrame, bool]]:
        """The frames whose times are wanted, from the first keyframe on, each with whether it is sound.

        Unsound: the decoder reported an error in this frame or in one since the last keyframe, which this one may
        refer to. `careful`: decode everything, and wait for the frames instead of draining. Where `counts`, the n-th
        frame that comes out has the n-th smallest time that went in.
        """
        missing, unfed, end = set(wanted), set(wanted), max(wanted)
        damage: int | None = None
        begun, fed = False, []
        for packet in packets:
            self.context.skip_frame = (
                "NONREF" if self.can_skip and not careful and packet.pts not in wanted else "DEFAULT"
            )
            unfed.discard(packet.pts)
            # A keyframe that an edit list hides does not come out: the container's word has to do.
            begun = begun or (packet.is_keyframe and packet.is_discard)
            last = not packet.size or (not unfed and not careful)
            if self.counts and packet.size and packet.pts is not None:
                heapq.heappush(fed, packet.pts)
            try:
                frames = self.context.decode(packet if packet.size else None)
                if last and packet.size:
                    frames += self.context.decode(None)
            except av.error.MemoryError:
                raise
            except av.error.FFmpegError:
                frames, damage, self.damaged = [], later(damage, packet.pts), True
                if packet.pts in fed:  # it gave no frame
                    fed.remove(packet.pts)
                    heapq.heapify(fed)
            for frame in frames:
                if self.counts and fed:
                    frame.pts = heapq.heappop(fed)
                if frame.is_corrupt:
                    damage = later(damage, frame.pts)
                elif frame.key_frame and damage is not None and frame.pts > damage:
                    damage = None
                begun = begun or bool(frame.key_frame)
                if begun and frame.pts in missing:
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
            for packet in (packets := self.sought(offset)):
                if packet.pts == start and packet.is_keyframe:
                    yield packet
                    yield from packets
                    return
                if packet.pts is not None and packet.is_keyframe and packet.pts > start:
                    break

    def packets_before(self, start: int, back_s: float) -> Iterator[Packet]:
        """Packets from a keyframe earlier than `start` on, by `back_s` seconds or a little more where there is one."""
        packets = self.sought(start - 1 - round(back_s / self.stream.time_base))
        for packet in packets:
            if packet.pts is not None and packet.pts >= start:
                return
            if packet.is_keyframe:
                yield packet
                yield from packets
                return

    def all_packets(self) -> Iterator[Packet]:
        """The file's first PLAIN_PACKETS packets."""
        # AVI refuses times before its beginning.
        for offset in (-(2**62), self.stream.start_time or 0):
            for packet in (packets := self.sought(offset)):
                yield packet
                yield from islice(packets, PLAIN_PACKETS - 1)
                return

    def sought(self, offset: int) -> Iterator[Packet]:
        """Packets from where a seek to `offset` lands; none where it fails."""
        try:
            self.container.seek(offset, stream=self.stream)
        except av.error.FFmpegError:
            return
        # An empty packet with a time is a frame dropped when recording; fed, it would end the decoding.
        yield from (packet for packet in self.container.demux(self.stream) if packet.size or packet.pts is None)


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
