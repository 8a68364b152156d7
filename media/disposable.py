"""Which packets of H.264 and HEVC hold a picture that no other refers to: told by their header, without decoding."""

from collections.abc import Callable

from av.packet import Packet
from av.video.stream import VideoStream

START_CODE = b"\0\0\1"


def disposable(stream: VideoStream) -> Callable[[Packet], bool] | None:
    """A test of a packet: whether every other frame stays as it is when this one is not decoded. None: nobody knows.

    H.264 marks such pictures in each NAL unit (nal_ref_idc 0, ITU-T H.264, 7.4.1). In HEVC the mark only speaks of the
    picture's own temporal layer (ITU-T H.265, table 7-1), so it counts when the header says that there is one layer
    (numTemporalLayers of the hvcC record, ISO/IEC 14496-15). A packet without a picture is not disposable: it is
    damaged, and the decoder must see it to say so.
    """
    name, header, length = layout(stream)
    if name == "h264":
        return lambda packet: first_picture(packet, length, avc_unused) is True
    if name == "hevc" and length and (header[21] >> 3) & 7 == 1:
        return lambda packet: first_picture(packet, length, hevc_unused) is True
    return None


def begins_anew(stream: VideoStream, packet: Packet) -> bool:
    """Whether nothing that follows a packet of H.264 or HEVC leans on what is before it: an IDR picture."""
    name, _, length = layout(stream)
    return first_picture(packet, length, avc_idr if name == "h264" else hevc_idr) is True


def layout(stream: VideoStream) -> tuple[str, bytes, int]:
    """Codec, header, and the bytes of the size before each NAL unit: 0 when units begin with start codes."""
    name = stream.codec_context.codec.canonical_name
    header = stream.codec_context.extradata or b""
    place = 21 if name == "hevc" else 4
    return name, header, (header[place] & 3) + 1 if len(header) > place and header[0] == 1 else 0


def avc_idr(first_byte: int) -> bool | None:
    return first_byte & 31 == 5 if 1 <= first_byte & 31 <= 5 else None


def hevc_idr(first_byte: int) -> bool | None:
    kind = first_byte >> 1 & 63
    return kind in (19, 20) if kind < 32 else None


def avc_unused(first_byte: int) -> bool | None:
    """Whether a NAL unit's picture is no reference; None when it holds no picture."""
    return not first_byte >> 5 & 3 if 1 <= first_byte & 31 <= 5 else None


def hevc_unused(first_byte: int) -> bool | None:
    kind = first_byte >> 1 & 63
    return (kind <= 14 and kind % 2 == 0) if kind < 32 else None


def first_picture(packet: Packet, length: int, unused: Callable[[int], bool | None]) -> bool | None:
    """What `unused` says of the packet's first NAL unit with a picture; all of one picture agree.

    `length`: bytes of the size before each unit; 0 when units begin with start codes.
    """
    data = bytes(packet)
    at = length if length else after_start_code(data, 0)
    while 0 <= at < len(data):
        verdict = unused(data[at])
        if verdict is not None:
            return verdict
        if length:
            at += int.from_bytes(data[at - length : at], "big") + length
        else:
            at = after_start_code(data, at)
    return None


def after_start_code(data: bytes, at: int) -> int:
    """Where the next NAL unit begins; -1 when none does."""
    found = data.find(START_CODE, at)
    return found + 3 if found >= 0 else -1
