"""Streams whose own times cannot be believed: absent, or in the order of decoding. Their frames are counted instead.

AVI and ASF hold no presentation times, bare bitstreams hold none at all, and packed B-frames give two pictures one
packet. In all of them the n-th frame that the decoder shows is the one with the n-th smallest time.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from av.container import InputContainer
from av.video.stream import VideoStream

from media.container import decoded, filled, opened

# Demuxers of bare bitstreams.
BARE = frozenset(("h264", "hevc", "m4v", "mpegvideo", "vc1", "av1", "obu"))
LOOK_PACKETS = 100
# Single packets without a time are damage, and are left out.
TIMELESS_SHARE = Fraction(1, 50)
USUAL_RATE = Fraction(25)


@dataclass(frozen=True)
class Look:
    """What the first packets of a stream give."""

    in_order: bool  # the frames' own times increase
    one_each: bool  # as many frames as packets


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
