"""Streams whose own times cannot be believed: absent, or in the order of decoding. Their frames are counted instead.

AVI and ASF hold no presentation times, bare bitstreams hold none at all, and packed B-frames give two pictures one
packet. In all of them the n-th frame that the decoder shows is the one with the n-th smallest time.

Files that were joined from parts (TS, VOB) begin to count their time anew in each. It is carried on.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.video.stream import VideoStream

from media.container import decoded, filled, opened

# Demuxers of bare bitstreams.
BARE = frozenset(("h264", "hevc", "m4v", "mpegvideo", "vc1", "av1", "obu"))
LOOK_PACKETS = 100
# Single packets without a time are damage, and are left out.
TIMELESS_SHARE = Fraction(1, 50)
USUAL_RATE = Fraction(25)
# Where a part begins: decoding goes back in time, or in streams that may start over, leaps. As FFmpeg has it, except
# that a leap is many times the step before it: stills may come at long intervals.
BACK_S, LEAP_S, LEAP_STEPS = Fraction(1, 10), 10, 100


@dataclass(frozen=True)
class Look:
    """What the first packets of a stream give."""

    in_order: bool  # the frames' own times increase
    one_each: bool  # as many frames as packets


class Clock:
    """Carries time on where the parts of a joined file begin to count it anew.

    As in a file, frames before the first keyframe of a part are none: that one follows the last frame of the part
    before.
    """

    def __init__(self, container: InputContainer, stream: VideoStream):
        self.back, self.leap = BACK_S / stream.time_base, LEAP_S / stream.time_base
        # Edit lists (MP4) hide packets that go back in time. The others have no times to carry on.
        self.rests = bool({"mp4", "avi", "asf", *BARE}.intersection(container.format.name.split(",")))
        self.may_leap = bool(container.format.flags & Flags.ts_discont.value)
        self.shift = 0  # ticks, to be added to a packet's times
        self.part_ends: list[int] = []  # the last time shown of each part, but for the one that is being read
        self.latest: int | None = None  # time shown
        self.decoded: int | None = None  # time of decoding, as it is in the file
        self.step = 0
        self.waiting = False  # for a keyframe

    def read(self, packet: Packet) -> bool:
        """Takes in the next packet, whose times are those of the file and `shift`. Returns whether it is of a frame."""
        if self.rests:
            return True
        if packet.dts is not None:
            self.look_for_a_part(packet.dts)
        if packet.pts is None:
            return not self.waiting
        if self.waiting and packet.is_keyframe:
            self.waiting, self.shift = False, self.part_ends[-1] + self.step - packet.pts
        time = packet.pts + self.shift
        if self.waiting or (self.part_ends and time <= self.part_ends[-1]):
            return False
        self.latest = time if self.latest is None else max(self.latest, time)
        return True

    def look_for_a_part(self, dts: int) -> None:
        before, self.decoded = self.decoded, dts
        step = 0 if before is None else dts - before
        leaps = self.may_leap and step > self.leap and 0 < self.step * LEAP_STEPS < step
        if step < -self.back or leaps:
            if self.latest is not None and not self.waiting:
                self.part_ends.append(self.latest)
                self.waiting = True
        elif step > 0:
            self.step = step


def joined_times(path: Path, max_pixels: int) -> set[int]:
    """The times of a joined file's frames, carried on, in ticks; none of another file. Nothing is decoded."""
    with opened(path, max_pixels) as (container, stream):
        clock, times = Clock(container, stream), set()
        for packet in container.demux(stream):
            if packet.size and clock.read(packet) and packet.pts is not None:
                times.add(packet.pts + clock.shift)
        return times if clock.part_ends else set()


def timeless(container: InputContainer, packets: int, without_time: int) -> bool:
    """Whether a stream has no times to speak of."""
    return container.format.name in BARE or without_time > TIMELESS_SHARE * packets


def doubtful(stream: VideoStream, increasing: bool) -> bool:
    """Whether times may be in the order of decoding. `increasing`: whether they increase from packet to packet, though
    the decoder says that it shows frames in another order. Packed B-frames (MPEG-4) have times of any kind."""
    context = stream.codec_context
    if not (context.has_b_frames and context.codec.reorder):
        return False
    return increasing or context.codec.canonical_name == "mpeg4"


def without_order(container: InputContainer, stream: VideoStream, increasing: bool) -> bool:
    """Whether the container has no place for the times at which frames are shown, however late in the file they begin
    to be shown in another order: AVI. FFmpeg finds out those of MPEG-4 by itself."""
    mpeg4 = stream.codec_context.codec.canonical_name == "mpeg4"
    return container.format.name == "avi" and not mpeg4 and doubtful(stream, increasing)


def shifted_by_seeks(container: InputContainer, stream: VideoStream) -> bool:
    """Whether packets have other times after a seek: ASF, where the demuxer guesses the delay of the decoder."""
    return container.format.name.startswith("asf") and stream.codec_context.codec.reorder


def look(path: Path, max_pixels: int) -> Look:
    """Decodes the first packets of a file from the first keyframe on."""
    fed, shown, begun = 0, [], False
    with opened(path, max_pixels) as (container, stream):
        for packet in filled(container.demux(stream)):
            begun = begun or packet.is_keyframe
            if not begun:
                continue
            last = not packet.size or fed == LOOK_PACKETS
            fed += not last
            shown += [frame.pts for frame in decoded(stream, None if last else packet)]
            if last:
                break
    times = [time for time in shown if time is not None]
    return Look(all(a < b for a, b in pairwise(times)), fed == len(shown))


def rate_of(stream: VideoStream) -> Fraction:
    """Frames a second as the header has it, or the customary rate when it has none that can be."""
    for rate in (stream.codec_context.framerate, stream.guessed_rate, stream.average_rate):
        if rate and 1 <= rate <= 1000:
            return Fraction(rate)
    return USUAL_RATE
