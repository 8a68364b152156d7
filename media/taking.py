"""Takes the frames of a plan out of a file: the cheap way first, then every other way there is.

A planned frame that does not come out with the reader's shortcuts is looked for without them, then from seconds
earlier, and at last in one pass over the whole file. Frames that are counted, and those of files joined from parts, are
found in that pass at once.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from itertools import dropwhile
from pathlib import Path

from av.packet import Packet

from media.container import opened
from media.neighbours import Taken
from media.ordering import joined_times
from media.plan import Plan, Run
from media.reader import PICTURE_A_PACKET, Attempt, Reader

# How far before a keyframe that is none a run begins again: a usual and a long distance between keyframes.
BACK_S = (2, 10)
# After so many runs that needed the one pass anyway, the others wait for it too.
PATIENCE = 2


def take(path: Path, reader: Reader, plan: Plan, max_pixels: int, deadline: float) -> Iterator[Taken]:
    """What became of each target of a plan, in no certain order. `reader` reads the file at `path`, for the runs.

    deadline: the monotonic clock's time after which nothing more is tried. Raises MediaError for the file.
    """
    if plan.numbers is not None:
        targets = {pts for pts, _ in plan.numbers}
        if targets <= joined_times(path, max_pixels):
            yield from one_pass(path, {pts: pts for pts in targets}, False, max_pixels, deadline, joined=True)
        else:
            yield from one_pass(path, {number: pts for pts, number in plan.numbers}, True, max_pixels, deadline)
        return
    left: set[int] = set()
    hard = 0
    for run in plan.runs:
        missing = set(run.targets) - left
        for attempt, packets in attempts(reader, run, missing, easy_only=hard >= PATIENCE):
            for pts, frame, sound in reader.frames(packets, attempt):
                missing.discard(pts)
                yield Taken(pts, frame, sound)
            if attempt.damaged and not attempt.shortcuts:
                yield from (Taken(pts, None, sound=False) for pts in sorted(missing))
                missing.clear()
            if not missing or time.monotonic() > deadline:
                break
        hard += bool(missing)
        left |= missing
    wanted = left & {frame.pts for frame in plan.wanted}
    if wanted:
        yield from one_pass(path, {pts: pts for pts in wanted}, False, max_pixels, deadline)
    yield from (Taken(pts, None, sound=True) for pts in sorted(left - wanted))


def attempts(
    reader: Reader, run: Run, missing: set[int], easy_only: bool
) -> Iterator[tuple[Attempt, Iterator[Packet]]]:
    """Ways to reach what is still missing of a run, the cheapest first."""
    for shortcuts in (True, False):
        attempt = Attempt(frozenset(missing), run.start, shortcuts, patient=False)
        yield attempt, reader.packets(run.start)
    if not easy_only:
        for back_s in BACK_S:
            before = run.start - round(back_s / reader.stream.time_base)
            yield Attempt(frozenset(missing), before), reader.packets_before(before)


def one_pass(
    path: Path, pts_of: Mapping[int, int], counted: bool, max_pixels: int, deadline: float, joined: bool = False
) -> Iterator[Taken]:
    """Everything from the beginning of the file on, nothing left out. `pts_of`: key of a frame -> its pts."""
    missing, refused, late = set(pts_of), False, False

    def in_time(packets: Iterator[Packet]) -> Iterator[Packet]:
        nonlocal late
        for packet in packets:
            late = late or time.monotonic() > deadline
            if late:
                return
            yield packet

    for trusting in (False, True):
        with opened(path, max_pixels) as (container, stream):
            # Some decoders call no frame a keyframe. Those of H.264 and HEVC do, and what they show before is unsound.
            if trusting and stream.codec_context.codec.canonical_name in PICTURE_A_PACKET:
                break
            reader = Reader(container, stream)
            attempt = Attempt(frozenset(missing), counted=counted, trusting=trusting)
            found = reader.carried_on(reader.all_packets()) if joined else reader.all_packets()
            with contextlib.closing(in_time(found)) as packets:
                # Probing counts from the first packet on that is called a keyframe.
                begun = dropwhile(lambda packet: not packet.is_keyframe, packets) if counted else packets
                for key, frame, sound in reader.frames(begun, attempt):
                    missing.discard(key)
                    yield Taken(pts_of[key], frame, sound)
            refused = refused or attempt.damaged
        if not missing or attempt.keyframe_seen or late:
            break
    yield from (Taken(pts_of[key], None, sound=not refused, late=late) for key in sorted(missing))
