"""The times of an MP4's frames from its sample table: what a scan of all packets finds, without reading the pictures.

FFmpeg's index has each sample's place and decoding time; when it is shown is in a box that the index leaves out (ctts,
ISO/IEC 14496-12, 8.6.1.3). A table is believed when it is whole and the first packets are as it says.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream

from media.container import PLAIN, boxes


@dataclass(frozen=True)
class SampleTable:
    """The boxes of one track. `offsets`: int64 [count], shown this many ticks after being decoded."""

    count: int
    offsets: np.ndarray
    last_duration: int  # ticks
    names_keyframes: bool


@dataclass(frozen=True)
class Times:
    """Of every sample, in the order of decoding, in ticks."""

    pts: np.ndarray  # int64
    keyframe: np.ndarray  # bool
    hidden: np.ndarray  # bool: an edit list leaves it out
    durations: np.ndarray  # int64
    places: np.ndarray  # int64 [count, 3]: byte offset, size and decoding time

    def agree(self, packets: Sequence[Packet]) -> bool:
        """Whether the first packets of the stream are those of the table."""
        told = np.column_stack([self.places, self.pts])[: len(packets)].tolist()
        return told == [[packet.pos, packet.size, packet.dts, packet.pts] for packet in packets]


def sample_times(stream: VideoStream, path: Path, first: Packet) -> Times | None:
    """The times of all samples, or None when the table cannot be used: fragments, several edits, damage, no keyframes
    named. `first`: the stream's first packet."""
    table = read_table(path, stream.id)
    entries = stream.index_entries
    if table is None or not 0 < table.count == len(entries) or first.pts is None:
        return None
    if not (table.names_keyframes or stream.codec_context.codec.intra_only):
        return None
    rows = ((e.pos, e.size, e.timestamp, e.is_keyframe, e.is_discard) for e in entries)
    values = np.fromiter(rows, np.dtype((np.int64, 5)), len(entries))
    dts = values[:, 2]
    if np.any(dts[1:] < dts[:-1]) or np.any(values[:, 1] <= 0):
        return None
    pts = dts + table.offsets
    pts += first.pts - pts[0]
    durations = np.append(np.diff(dts), table.last_duration)
    return Times(pts, values[:, 3] != 0, values[:, 4] != 0, durations, values[:, :3])


def read_table(path: Path, track_id: int) -> SampleTable | None:
    """The sample table of a track; None for another kind of file, a fragmented one, or a table that is not whole."""
    size = path.stat().st_size
    with path.open("rb") as handle:
        top = dict(whole_boxes(handle, 0, size))
        if "moov" not in top or "moof" in top:
            return None
        movie = list(whole_boxes(handle, *top["moov"]))
        if any(kind == "mvex" for kind, _ in movie):
            return None
        for kind, place in movie:
            if kind == "trak":
                track = dict(whole_boxes(handle, *place))
                if "tkhd" in track and "mdia" in track and track_of(handle, track["tkhd"]) == track_id:
                    return table_of(handle, track["mdia"])
    return None


def whole_boxes(handle: BinaryIO, at: int, end: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """(type, (start, end) of the content) of the boxes between two places, up to one that ends beyond."""
    for kind, start, stop in boxes(handle, at, end):
        if stop > end:
            return
        yield kind.decode("latin-1"), (start, stop)


def track_of(handle: BinaryIO, place: tuple[int, int]) -> int:
    handle.seek(place[0])
    head = handle.read(24)
    return int.from_bytes(head[20:24] if head[0] == 1 else head[12:16], "big")


def table_of(handle: BinaryIO, place: tuple[int, int]) -> SampleTable | None:
    found = dict(whole_boxes(handle, *place))
    for kind in ("minf", "stbl"):
        if kind not in found:
            return None
        found = dict(whole_boxes(handle, *found[kind]))
    if "stts" not in found or "stsz" not in found:
        return None
    handle.seek(found["stsz"][0])
    count = int.from_bytes(handle.read(12)[8:12], "big")
    lengths, durations = pairs(handle, found["stts"])
    if not len(lengths) or lengths.sum() != count:
        return None
    offsets = np.zeros(count, np.int64)
    if "ctts" in found:
        repeats, shifts = pairs(handle, found["ctts"])
        if repeats.sum() != count:
            return None
        offsets = np.repeat(shifts, repeats)
    return SampleTable(count, offsets, int(durations[-1]), "stss" in found)


def pairs(handle: BinaryIO, place: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The two columns of a run-length table (stts, ctts): how many samples (uint32), and a value (int32) for each."""
    start, end = place
    handle.seek(start)
    count = int.from_bytes(handle.read(PLAIN)[4:8], "big")
    if start + PLAIN + 8 * count > end:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    values = np.frombuffer(handle.read(8 * count), ">u4").reshape(-1, 2)
    return values[:, 0].astype(np.int64), values[:, 1].astype(">u4").view(">i4").astype(np.int64)
