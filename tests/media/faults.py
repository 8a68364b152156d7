"""Files with the faults of real writers: tables left out, packets lost, claims that are not so."""

import re
import struct
from pathlib import Path

import av

from tests.media import media_fixtures as make


def without_box(source: Path, target: Path, kind: bytes) -> Path:
    """A copy of an MP4 in which boxes of one kind are free space: without `stss` every sample claims to be a keyframe,
    without `ctts` times are those of decoding."""
    return make.patched(source, target, kind, b"free")


def without_index(source: Path, target: Path) -> Path:
    """An AVI as a recorder leaves it that lost its power: no idx1."""
    data = source.read_bytes()
    target.write_bytes(data[: data.rindex(b"idx1")])
    return target


def without_packet(source: Path, target: Path, number: int) -> Path:
    """A copy in which one packet of H.264, counted in the order of decoding, has lost its picture: its units are of a
    type that decoders ignore."""
    with av.open(str(source)) as container:
        packet = bytes([packet for packet in container.demux(video=0) if packet.size][number])
    data = bytearray(source.read_bytes())
    at = data.index(packet)
    for unit in units(packet):
        data[at + unit] = (packet[unit] & 0x60) | 30  # unspecified
    target.write_bytes(data)
    return target


def units(packet: bytes) -> list[int]:
    """Where the units of a packet begin: each behind its length (MP4), or behind a start code (AVI)."""
    if packet[:3] == b"\0\0\1" or packet[:4] == b"\0\0\0\1":
        return [code.end() for code in re.finditer(b"\0\0\1", packet)]
    found, unit = [], 4
    while unit < len(packet):
        found.append(unit)
        unit += int.from_bytes(packet[unit - 4 : unit], "big") + 4
    return found


def with_edits(source: Path, target: Path, edits: list[tuple[int, int]]) -> Path:
    """A copy of an MP4, moov at the end, with another edit list: (duration in milliseconds, from which time of the
    media in ticks) of each edit (ISO/IEC 14496-12, 8.6.6)."""
    data = source.read_bytes()
    rows = b"".join(struct.pack(">IiI", duration, start, 1 << 16) for duration, start in edits)
    new = box(b"edts", box(b"elst", struct.pack(">II", 0, len(edits)) + rows))
    at = data.index(b"edts") - 4
    end = at + int.from_bytes(data[at : at + 4], "big")
    data = bytearray(data[:at] + new + data[end:])
    for kind in (b"moov", b"trak"):
        place = data.rindex(kind, 0, at) - 4
        length = int.from_bytes(data[place : place + 4], "big") + len(new) - (end - at)
        data[place : place + 4] = length.to_bytes(4, "big")
    target.write_bytes(data)
    return target


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def enormous(source: Path, target: Path, extra: int) -> Path:
    """A sparse copy of an MP4 whose last 24 samples are larger by `extra` bytes in all; moov at the end."""
    data = bytearray(source.read_bytes())
    free, moov = data.index(b"free") - 4, data.rindex(b"moov") - 4
    mdat = free + 8
    assert data[mdat + 4 : mdat + 8] == b"mdat"
    table = data.index(b"stsz", moov) + 4
    count = int.from_bytes(data[table + 8 : table + 12], "big")
    for number in range(count - 24, count):
        at = table + 12 + 4 * number
        size = int.from_bytes(data[at : at + 4], "big") + extra // 24
        data[at : at + 4] = size.to_bytes(4, "big")
    head = b"\0\0\0\1mdat" + (moov - free + extra).to_bytes(8, "big")
    with target.open("wb") as handle:
        handle.write(data[:free] + head + data[mdat + 8 : moov])
        handle.seek(extra, 1)
        handle.write(data[moov:])
    return target
