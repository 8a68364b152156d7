"""What a decoder does not say: pictures that were lost, and pictures that stand on damaged packets."""

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media.disposable import begins_anew

# Taken off the time of a packet that an edit list leaves out. With several edits it may be that of a shown one.
HIDDEN = 2**60


class Held:
    """Pictures in the decoder: more of them than it waits for mean that one was lost."""

    def __init__(self, stream: VideoStream):
        self.stream = stream
        self.pictures = 0
        self.may_lead: bool | None = None  # until the first picture is there

    def too_many(self, packet: Packet, frames: list[VideoFrame]) -> bool:
        """Takes in a packet and what came out for it."""
        if self.may_lead is None:
            self.may_lead = not begins_anew(self.stream, packet)
        self.pictures += bool(packet.size) - len(frames)
        depth = self.stream.codec_context.reorder_depth
        if self.may_lead:  # what is shown before the first keyframe leans on what was cut away, and is no loss
            if frames:
                self.pictures, self.may_lead = min(self.pictures, depth), False
            return False
        return self.pictures > depth


class Doubts:
    """What a demuxer calls damaged (TS: packets are missing in or behind it), and what is decoded after that, up to the
    next keyframe. The decoder may see no fault in it."""

    def __init__(self):
        self.order: dict[int, int] = {}  # time -> place in the order of decoding
        self.fed_packets = 0
        self.damaged: tuple[int, int] | None = None  # places of the first and the last damaged packet

    def fed(self, packet: Packet, damaged: bool) -> None:
        if not packet.size or packet.pts is None:
            return
        self.fed_packets += 1
        self.order[packet.pts] = self.fed_packets
        if damaged:
            self.damaged = (self.damaged[0] if self.damaged else self.fed_packets, self.fed_packets)

    def about(self, frame: VideoFrame) -> bool:
        place = self.order.pop(frame.pts, None)
        if self.damaged is None or place is None or place < self.damaged[0]:
            return False
        if frame.key_frame and place > self.damaged[1]:
            self.damaged = None
            return False
        return True


class Losses:
    """Packets in, fewer pictures out: which times were fed and did not come."""

    def __init__(self, context):
        self.context = context
        self.due: set[int] = set()
        self.shown = -(2**63)  # pictures before the first keyframe are no loss
        self.depth = context.reorder_depth

    def fed(self, packet: Packet) -> None:
        if packet.size and packet.pts is not None and packet.pts > self.shown and not is_hidden(packet.pts):
            self.due.add(packet.pts)

    def begin(self, key: int) -> None:
        self.due = {time for time in self.due if time >= key}

    def before(self, frame: VideoFrame) -> int | None:
        """The last time before this frame's whose picture is lost, or None.

        Interlaced pictures may be two packets each. A decoder that learns that it must wait longer drops a picture
        for the display alone.
        """
        self.due.discard(frame.pts)
        self.shown = max(self.shown, frame.pts)
        lost = {time for time in self.due if time < frame.pts}
        if not lost:
            return None
        self.due -= lost
        if frame.interlaced_frame or self.context.reorder_depth != self.depth:
            self.depth = self.context.reorder_depth
            return None
        return max(lost)


def is_hidden(time: int | None) -> bool:
    return time is not None and time < -HIDDEN // 2
