"""Files with the faults of real writers: tables left out, packets lost, claims that are not so."""

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
    """A copy in which one packet, counted in the order of decoding, has lost its picture: its unit is of a type that
    decoders ignore."""
    with av.open(str(source)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][number]
        at, size = packet.pos, packet.size
    data = bytearray(source.read_bytes())
    unit = at + 4
    while unit < at + size:
        length = int.from_bytes(data[unit - 4 : unit], "big")
        data[unit] = (data[unit] & 0x60) | 30  # H.264: unspecified
        unit += length + 4
    target.write_bytes(data)
    return target


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
