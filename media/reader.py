"""Decodes parts of one open stream, and says of each frame whether it can be trusted.

Containers call packets keyframes that are none: packed B-frames and recordings without an index (AVI), files without a
table of sync samples (MP4), recovery points of a stream that has no other keyframe. So frames count from the first one
on that the decoder calls a keyframe.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, count

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media.container import filled
from media.disposable import disposable
from media.losses import HIDDEN, Doubts, Held, Losses, is_hidden
from media.ordering import Clock

# Every frame of these stands alone, though their decoders do not say so.
STANDS_ALONE = frozenset(("cfhd",))
# One packet gives one picture, so that a picture that stays out was lost. Others hide pictures on purpose.
PICTURE_A_PACKET = frozenset(("h264", "hevc"))
FOREVER = 2**63
# A packet that a demuxer calls damaged is the damaged one or that before it.
AHEAD = 2


@dataclass
class Attempt:
    """One way to reach frames, and what was learned by going it.

    wanted: the keys of frames: presentation times, or with `counted` their places in the order they are shown.
    shortcuts: leave out what nothing refers to, and drain once all wanted packets are in. patient: wait for a keyframe
    among what comes out, where otherwise the first frame from `start` on must be one.
    """

    wanted: frozenset[int]
    start: int | None = None
    shortcuts: bool = False
    patient: bool = True
    counted: bool = False
    trusting: bool = False  # take what comes before any keyframe
    keyframe_seen: bool = field(default=False, init=False)
    damaged: bool = field(default=False, init=False)  # the decoder refused a packet, and not for a wrong start


class Reader:
    """Decodes one open stream, one attempt at a time."""

    def __init__(self, container: InputContainer, stream: VideoStream):
        self.container = container
        self.stream = stream
        self.context = stream.codec_context
        self.unused = disposable(stream)
        codec = self.context.codec
        self.all_stand_alone = codec.intra_only or codec.canonical_name in STANDS_ALONE
        self.picture_a_packet = codec.canonical_name in PICTURE_A_PACKET
        # Of a joined file: the last times of its parts, but for that on show; whether the packet begins or ends one.
        self.part_ends: deque[int] = deque()
        self.part_begins = self.part_stops = False

    def frames(self, packets: Iterable[Packet], attempt: Attempt) -> Iterator[tuple[int, VideoFrame, bool]]:
        """(key, frame, whether it is sound) of the wanted frames that come out.

        Unsound: the decoder reported an error in this frame or in one since the last keyframe, which this one may
        refer to, or a packet since then gave no picture. Frames that are counted are unsound from there on: they have
        lost their places. Ends when the wanted frames are there or cannot come.
        """
        missing, unfed, end = set(attempt.wanted), set(attempt.wanted), max(attempt.wanted)
        damage: int | None = None
        standing = attempt.trusting
        losses = Losses(self.context) if self.picture_a_packet and not attempt.counted else None
        held = Held(self.stream) if self.picture_a_packet and attempt.counted else None
        places, doubts = count(), Doubts()
        for packet in packets:
            doubts.fed(packet, packet.is_corrupt and not self.part_stops)
            if attempt.shortcuts and self.unused and packet.pts not in attempt.wanted and self.unused(packet):
                continue
            unfed.discard(packet.pts)
            last = not packet.size or (attempt.shortcuts and not unfed)
            try:
                frames = self.rest_of_a_part() if self.part_begins else []
                frames += self.context.decode(packet if packet.size else None)
                if last and packet.size:
                    frames += self.context.decode(None)
            except av.error.MemoryError:
                raise
            except av.error.FFmpegError:
                frames, damage = [], FOREVER if attempt.counted else later(damage, packet.pts)
                attempt.damaged = attempt.damaged or standing or attempt.start is None
            else:
                if losses:
                    losses.fed(packet)
            if held and held.too_many(packet, frames):
                damage = FOREVER
            for frame in frames:
                if attempt.counted and is_hidden(frame.pts):
                    standing = standing or frame.key_frame
                    continue
                key = next(places) if attempt.counted else frame.pts
                if key is None:
                    continue
                if not standing:
                    if not (frame.key_frame or self.all_stand_alone):
                        if not attempt.patient and key >= attempt.start:
                            return
                        last = last or key > end
                        continue
                    standing = attempt.keyframe_seen = True
                    if attempt.patient and not attempt.counted:
                        damage = None  # decoding began where it cannot: no fault of what follows
                    if losses:
                        losses.begin(key)
                elif frame.key_frame:
                    attempt.keyframe_seen = True
                if losses and (lost := losses.before(frame)) is not None:
                    damage = later(damage, lost)
                while self.part_ends and key > self.part_ends[0]:
                    damage = later(damage, self.part_ends.popleft())  # it may lean on pictures of another part
                if frame.is_corrupt or doubts.about(frame):
                    damage = later(damage, key)
                elif frame.key_frame and damage is not None and key > damage:
                    damage = None
                if key in missing:
                    missing.discard(key)
                    stands = frame.key_frame and not frame.is_corrupt and damage != FOREVER
                    yield key, frame, damage is None or stands
                # Frames come out in the order they are shown: what is missing now will not come.
                last = last or key > end
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
                    yield from self.with_hidden(chain([packet], filled(packets)))
                    return
                if packet.pts is not None and packet.is_keyframe and packet.pts > start:
                    break

    def packets_before(self, time: int) -> Iterator[Packet]:
        """Packets from the last place at or before `time` where the container can begin; none when it cannot seek."""
        try:
            self.container.seek(time, stream=self.stream)
        except av.error.FFmpegError:
            return
        yield from self.with_hidden(filled(self.container.demux(self.stream)))

    def all_packets(self) -> Iterator[Packet]:
        """Every packet of a container that was just opened: no seek, which not every file can do."""
        return self.with_hidden(filled(self.container.demux(self.stream)))

    def carried_on(self, packets: Iterable[Packet]) -> Iterator[Packet]:
        """The packets of a joined file, their times carried on from part to part."""
        clock, parts = Clock(self.container, self.stream), 0
        ahead: deque[tuple[Packet | None, bool]] = deque()  # with whether it begins a part
        for packet in chain(packets, (None, None)):
            begins = False
            if packet is not None:
                shown = not packet.size or clock.read(packet)
                if clock.waiting and packet.size:
                    continue  # it leans on what was cut away
                begins = len(clock.part_ends) > parts
                self.part_ends.extend(clock.part_ends[parts:])
                parts = len(clock.part_ends)
                if packet.pts is not None:
                    packet.pts += clock.shift if shown else -HIDDEN
                if packet.dts is not None:
                    packet.dts += clock.shift
            ahead.append((packet, begins))
            if len(ahead) > AHEAD:
                packet, self.part_begins = ahead.popleft()
                self.part_stops = any(begins for _, begins in ahead)
                yield packet

    def rest_of_a_part(self) -> list[VideoFrame]:
        """What the decoder still holds; it begins anew then, as with another file."""
        frames = self.context.decode(None)
        self.context.flush_buffers()
        return frames

    def with_hidden(self, packets: Iterable[Packet]) -> Iterator[Packet]:
        """What an edit list hides comes out too, and nobody wants it: what the decoder calls a hidden keyframe must be
        known, and so must the place of what follows."""
        for packet in packets:
            if packet.is_discard and packet.size:
                shown = Packet(bytes(packet))
                shown.pts = None if packet.pts is None else packet.pts - HIDDEN
                shown.dts, shown.time_base, shown.is_keyframe = packet.dts, packet.time_base, packet.is_keyframe
                packet = shown
            yield packet


def later(damage: int | None, time: int | None) -> int | None:
    """The later of two times, either of which may be unknown; unknown damage is damage from the start."""
    return max(-(2**63) if damage is None else damage, -(2**63) if time is None else time)
