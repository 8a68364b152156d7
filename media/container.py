"""Opens an untrusted media file with FFmpeg's demuxers, which see no other file, and finds its video stream."""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media.errors import MediaError
from media.remote import RemotePath

# An 8K square, twice the 33 Mpixel of 8K UHD. A larger picture is a mistake or an attack on memory.
MAX_PIXELS = 8192 * 8192

# Demuxers of files that hold frames themselves. Playlists (HLS, concat), image sequences and devices stay out: a text
# file named .mp4 must not make the decoder read other files or the network.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,av1,obu,ivf,"
    "flv,asf,ogg,mxf,mxf_opatom,gif,nut,rm,dv,wtv,swf,yuv4mpegpipe,vc1,aac,mp3,wav,flac"
)
PLAIN, EXTENDED = 8, 16  # bytes of an ISO box's head, with a size of 32 or 64 bits
# Probing options were measured (probesize, analyzeduration, fpsprobesize: no gain within 5 % on MP4), so the
# defaults, which are the safest for other containers, stay.
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
# A remote file is read through Python, and FFmpeg opens nothing at all: no protocol has this name.
REMOTE_OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}


def check_readable(path: Path) -> None:
    """Raises MediaError unless `path` is a regular, readable, non-empty file."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise MediaError("not_a_file", f"{path.name!r} is no regular file")
        if status.st_size == 0:
            raise MediaError("empty_file", f"{path.name!r} has 0 bytes")
        # A read, because permission bits do not bind every user and some file systems fail only here.
        with path.open("rb") as handle:
            handle.read(1)
    except FileNotFoundError:
        raise MediaError("absent_file", f"{path.name!r} does not exist") from None
    except OSError as error:
        raise MediaError("unreadable", f"{path.name!r}: {error.strerror}") from None


@contextlib.contextmanager
def opened(path: Path | RemotePath, max_pixels: int = MAX_PIXELS) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its video stream, one decoding thread, other streams discarded.

    Raises MediaError with a reason of a file, also for what FFmpeg raises while the block runs.
    """
    if isinstance(path, RemotePath):
        with _reporting(path), _opened(path, path.for_ffmpeg(), REMOTE_OPTIONS, max_pixels) as found:
            yield found
        return
    path = Path(os.path.abspath(path))  # an absolute path is never taken for a URL
    check_readable(path)
    with _opened(path, str(path), OPTIONS, max_pixels) as found:
        yield found


@contextlib.contextmanager
def _reporting(path: RemotePath) -> Iterator[None]:
    """A failure of the network is the reason, whatever FFmpeg makes of it, even that the file is a short one."""
    if path.stat().st_size == 0:
        raise MediaError("empty_file", f"{path.name!r} has 0 bytes")
    try:
        yield
    except MediaError as error:
        raise path.failed or error from None
    if path.failed:
        raise path.failed


@contextlib.contextmanager
def _opened(
    path: Path | RemotePath, file: str | BinaryIO, options: dict[str, str], max_pixels: int
) -> Iterator[tuple[InputContainer, VideoStream]]:
    try:
        # Damaged metadata text must not hide a good video; nothing here reads it.
        container = av.open(file, container_options=options, metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise MediaError(*diagnosis(path, error, "not_a_video")) from None
    try:
        with container:
            stream = video_stream(container, path.name)
            prepare(container, stream, max_pixels)
            yield container, stream
    except av.error.FFmpegError as error:
        raise MediaError(*diagnosis(path, error, "unreadable")) from None


def video_stream(container: InputContainer, name: str) -> VideoStream:
    """The stream that players show: FFmpeg's best one, by disposition first; cover pictures and thumbnails are none."""
    pictures = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = [stream for stream in container.streams.video if not stream.disposition & pictures]
    readable = [stream for stream in streams if stream.codec_context is not None]
    if readable:
        best = container.streams.best("video")
        marked = [stream for stream in readable if stream.disposition & Disposition.default]
        return best if best in readable else (marked or readable)[0]
    if streams:
        raise MediaError("unsupported_codec", f"{name!r}: no decoder for its codec")
    kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "none"
    raise MediaError("no_video_stream", f"{name!r} has no video stream; its streams: {kinds}")


def prepare(container: InputContainer, stream: VideoStream, max_pixels: int) -> None:
    context = stream.codec_context
    check_pixels(context.width, context.height, max_pixels)
    context.options = {"max_pixels": str(max_pixels)}  # the header's size is only a claim: the decoder checks its own
    context.thread_count = 1  # files are decoded in parallel, one thread each
    context.thread_type = "NONE"
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all


def filled(packets: Iterable[Packet]) -> Iterator[Packet]:
    """Without empty packets that have a time, frames dropped when recording: fed, they would end the decoding."""
    return (packet for packet in packets if packet.size or packet.pts is None)


def decoded(stream: VideoStream, packet: Packet | None) -> list[VideoFrame]:
    """What comes out for a packet, or for None at the end; nothing where the decoder refuses it."""
    try:
        return stream.codec_context.decode(packet)
    except av.error.MemoryError:
        raise
    except av.error.FFmpegError:
        return []


def pixel_aspect(stream: VideoStream) -> Fraction | None:
    """Width over height of a pixel: the container's word, else the bitstream's; None when neither speaks."""
    return stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or None


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise MediaError("too_large", f"{width}x{height} pixels: at most {max_pixels} in all are decoded")


def diagnosis(path: Path | RemotePath, error: av.error.FFmpegError, otherwise: str) -> tuple[str, str]:
    """Reason and detail for a file that FFmpeg gave up on; `otherwise` is the reason unless its boxes explain it."""
    words = f"{path.name!r}: {error.strerror}"
    if isinstance(error, MemoryError):
        return "out_of_memory", words
    if isinstance(error, OSError):
        return "unreadable", words
    kinds, end = top_boxes(path)
    if kinds and kinds[0] in ("ftyp", "moov", "mdat", "wide", "free", "skip"):
        if "moov" not in kinds:
            return "no_moov", f"{path.name!r} has no moov box, only {', '.join(kinds)}: the recording was cut short"
        if end > (size := path.stat().st_size):
            return "truncated", f"{path.name!r} has {size} of the {end} bytes that its boxes claim"
    return otherwise, words


def top_boxes(path: Path | RemotePath, limit: int = 1000) -> tuple[list[str], int]:
    """The types of a file's top-level ISO boxes, as far as they make sense, and where the last one ends (bytes)."""
    kinds: list[str] = []
    end = 0
    with path.open("rb") as handle:
        for kind, _, stop in islice(boxes(handle, 0, path.stat().st_size), limit):
            if not (kind.isascii() and kind.decode("ascii").isprintable()):
                break
            kinds.append(kind.decode("ascii"))
            end = stop
    return kinds, end


def boxes(handle: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, where the content begins, where it ends) of the ISO boxes from one place to another, as far as their sizes
    make sense (ISO/IEC 14496-12, 4.2). The last one may claim to end beyond `end`."""
    while at + PLAIN <= end:
        handle.seek(at)
        head = handle.read(EXTENDED)
        length, body = int.from_bytes(head[:4], "big"), at + PLAIN
        if length == 1:
            length, body = int.from_bytes(head[8:16], "big"), at + EXTENDED
        elif length == 0:  # to the end
            length = end - at
        if body > at + length:
            return
        yield head[4:8], body, at + length
        at += length
