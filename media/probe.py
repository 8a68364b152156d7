"""What a video file holds: every frame's time without decoding, and one decoded frame for its geometry.

Times come from the container's own table where it is whole and the first packets agree with it (MP4, MOV), else from
one pass over the packets.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av.error
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media.container import MAX_PIXELS, check_pixels, opened, pixel_aspect
from media.display import Orientation, display_size, orientation
from media.errors import MediaError
from media.fields import field_order, is_interlaced
from media.index import MAX_FRAMES, FrameIndex
from media.ordering import BARE, Clock, doubtful, look, rate_of, shifted_by_seeks, timeless, without_order
from media.sample_table import sample_times
from media.tone_map import transfer_name

# So many packets, or bytes, of a file are compared with its table.
COMPARED_PACKETS = 32
COMPARED_BYTES = 2 << 20


def probe(path: Path, max_pixels: int = MAX_PIXELS) -> dict:
    """The container columns of curation.schemas.CLIPS for one file.

    Packets are counted, headers are not believed. Frames that an edit list hides, and frames before the first
    keyframe, are no frames. duration_s ends with the last frame's own duration; fps is the mean rate. Raises
    MediaError.
    """
    with opened(path, max_pixels) as (container, stream):
        scan = scan_table(container, stream, path) or scan_packets(container, stream)
        check_complete(stream, scan, path)
        index = counted_index(container, stream, scan, path, max_pixels) or build_index(scan, stream.time_base, path)
        turn = orientation(scan.first_frame) if scan.first_frame is not None else Orientation()
        context = stream.codec_context
        check_pixels(context.width, context.height, max_pixels)
        if context.width < 1 or context.height < 1:
            raise MediaError("unreadable", f"{path.name!r}: the picture size is not known")
        width, height = display_size(context.width, context.height, pixel_aspect(stream), turn)
        span = index.exact_seconds(index.pts[-1])
        known = scan.last_duration > 0 and not index.counted
        last = scan.last_duration * stream.time_base if known else mean_step(index)
        return {
            "duration_s": float(span + last),
            "fps": float((len(index.pts) - 1) / span) if span else header_rate(stream),
            "codec": context.codec.canonical_name,
            "pix_fmt": (scan.first_frame.format.name if scan.first_frame is not None else context.pix_fmt) or "",
            "width": width,
            "height": height,
            "rotation": turn.rotation,
            "frame_count": len(index.pts),
            "field_order": field_order(stream),
            "interlaced": scan.first_frame is not None and is_interlaced(scan.first_frame, stream),
            "transfer": transfer_name(
                scan.first_frame.color_trc if scan.first_frame is not None else context.color_trc
            ),
            **index.to_row(),
        }


@dataclass
class Scan:
    """What is known of a stream's packets, in decoding order."""

    pts: list[int] = field(default_factory=list)  # of shown packets
    dts: list[int] = field(default_factory=list)  # of packets that have no other time
    keyframe_pts: list[int] = field(default_factory=list)  # hidden ones too
    packets: int = 0
    shown: int = 0  # packets from the first keyframe on, but for hidden ones
    without_time: int = 0
    increasing: bool = True  # each packet's time is later than the one's before
    joined: bool = False  # of parts, each with times of its own; those here are carried on
    last_duration: int = 0  # of the packet shown last, in ticks; 0 when unknown
    first_frame: VideoFrame | None = None


def scan_table(container: InputContainer, stream: VideoStream, path: Path) -> Scan | None:
    """Reads the sample table and the first packets; None when the table cannot be used (then nothing was lost)."""
    if "mp4" not in container.format.name.split(","):
        return None
    scan, read, size, looking, times = Scan(), [], 0, True, None
    for packet in container.demux(stream):
        if not packet.size:
            break
        if not read and (times := sample_times(stream, path, packet)) is None:
            break
        read.append(packet)
        size += packet.size
        if looking:
            scan.first_frame, looking = try_decode(stream, packet)
        elif len(read) >= COMPARED_PACKETS or size >= COMPARED_BYTES:
            break
    if times is None or not times.agree(read) or not times.keyframe[0]:
        container.seek(-(2**62), stream=stream)
        return None
    scan.packets, scan.shown = len(times.pts), int(np.count_nonzero(~times.hidden))
    if scan.packets > MAX_FRAMES:
        raise MediaError("too_many_frames", f"more than {MAX_FRAMES} packets")
    beyond = int(np.count_nonzero(times.places[:, 0] + times.places[:, 1] > path.stat().st_size))
    if beyond:
        raise MediaError("truncated", f"{path.name!r}: {beyond} of {scan.packets} frames lie beyond its end")
    scan.pts, scan.keyframe_pts = times.pts[~times.hidden].tolist(), times.pts[times.keyframe].tolist()
    scan.increasing = bool(np.all(np.diff(times.pts) > 0))
    if scan.pts:
        scan.last_duration = int(times.durations[np.argmax(np.where(times.hidden, -(2**62), times.pts))])
    return scan


def scan_packets(container: InputContainer, stream: VideoStream) -> Scan:
    """Reads every packet; decodes those of the first keyframe until one frame is there, and none after."""
    scan, clock = Scan(), Clock(container, stream)
    looking, begun, latest, before = True, False, None, None
    for packet in container.demux(stream):
        if not packet.size:
            continue  # a frame that was dropped when recording, or the mark at the end
        scan.packets += 1
        if scan.packets > MAX_FRAMES:
            raise MediaError("too_many_frames", f"more than {MAX_FRAMES} packets")
        if not clock.read(packet):
            continue
        begun = begun or packet.is_keyframe
        scan.shown += begun and not packet.is_discard
        if looking and begun:
            scan.first_frame, looking = try_decode(stream, packet)
        if packet.pts is None:
            scan.without_time += 1
            if packet.dts is not None:
                scan.dts.append(packet.dts + clock.shift)
            continue
        pts = packet.pts + clock.shift
        scan.increasing = scan.increasing and (before is None or pts > before)
        before = pts
        if packet.is_keyframe:
            scan.keyframe_pts.append(pts)
        if not packet.is_discard:
            scan.pts.append(pts)
            if latest is None or pts > latest:
                latest, scan.last_duration = pts, packet.duration or 0
    scan.joined = bool(clock.part_ends)
    return scan


def try_decode(stream: VideoStream, packet: Packet) -> tuple[VideoFrame | None, bool]:
    """The first frame, and whether to go on looking for it.

    A frame that does not decode is the extraction's finding.
    """
    context = stream.codec_context
    try:
        frames = context.decode(packet)
        if not frames and not packet.is_discard:
            frames = context.decode(None)
            return (frames[0] if frames else None), False
    except av.error.MemoryError:
        raise
    except av.error.FFmpegError:
        return None, False
    return (frames[0], False) if frames else (None, True)


def check_complete(stream: VideoStream, scan: Scan, path: Path) -> None:
    """Raises MediaError("truncated") when the sample table names frames beyond the end of the file."""
    entries = stream.index_entries
    if len(entries) <= scan.packets:
        return
    size = path.stat().st_size
    beyond = sum(entry.pos + entry.size > size for entry in entries)
    if beyond:
        raise MediaError("truncated", f"{path.name!r}: {beyond} of {len(entries)} frames lie beyond its end")


def counted_index(
    container: InputContainer, stream: VideoStream, scan: Scan, path: Path, max_pixels: int
) -> FrameIndex | None:
    """The index of a stream whose own times cannot be believed, found by decoding its first packets; None of others.

    Times are the stream's own, in order, where each packet has one. Else they are those of the header's frame rate.
    Frames of joined files have their own times, carried on.
    """
    bare = timeless(container, scan.packets, scan.without_time)
    if scan.joined and not bare:
        times = build_index(scan, stream.time_base, path).pts
        return FrameIndex(times, times[:1], stream.time_base, counted=True)
    known = shifted_by_seeks(container, stream) or without_order(container, stream, scan.increasing)
    if not scan.shown or not (bare or known or doubtful(stream, scan.increasing)):
        return None
    seen = look(path, max_pixels)
    if not seen.one_each if bare else (seen.in_order and not known):
        return None
    base, times = stream.time_base, np.unique(np.asarray(scan.dts if len(scan.dts) == scan.packets else scan.pts))
    if container.format.name in BARE or len(times) != scan.shown:
        base, times = 1 / rate_of(stream), np.arange(scan.shown)
    return FrameIndex(times, times[:1], base, counted=True)


def build_index(scan: Scan, time_base: Fraction, path: Path) -> FrameIndex:
    if not scan.packets:
        raise MediaError("truncated", f"{path.name!r}: the video stream holds no packet")
    if not scan.pts:
        raise MediaError(
            "no_timestamps", f"{path.name!r}: {scan.without_time} of {scan.packets} packets have no time, none is shown"
        )
    if not scan.keyframe_pts:
        raise MediaError("no_keyframes", f"{path.name!r}: none of {scan.packets} packets is a keyframe")
    keyframes = np.unique(np.asarray(scan.keyframe_pts, np.int64))
    pts = np.unique(np.asarray(scan.pts, np.int64))
    pts = pts[pts >= keyframes[0]]  # earlier ones lean on frames that were cut away
    if not len(pts):
        raise MediaError("no_keyframes", f"{path.name!r}: no frame is shown at or after the first keyframe")
    return FrameIndex(pts, keyframes, time_base)


def mean_step(index: FrameIndex) -> Fraction:
    """Seconds between frames on average; 0 for a single frame."""
    return index.exact_seconds(index.pts[-1]) / max(len(index.pts) - 1, 1)


def header_rate(stream: VideoStream) -> float:
    """The header's frame rate, the only hint when there is but one frame; 0 when it has none."""
    return float(stream.average_rate or stream.guessed_rate or 0)
