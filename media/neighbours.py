"""Frames that are decoded for another's sake: deinterlacing looks at one more moment than the wanted one."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from av.video.frame import VideoFrame


@dataclass(frozen=True, eq=False)
class Taken:
    """What became of one target of a plan: its frame and whether it is sound, or None and whether there was damage.

    late: there was no time left to look for it.
    """

    pts: int
    frame: VideoFrame | None
    sound: bool
    late: bool = False


def paired(taken: Iterable[Taken], beside: Mapping[int, int]) -> Iterator[tuple[Taken, VideoFrame | None]]:
    """Each with its neighbour's frame, None where that did not come out; those that need none at once.

    Holds a frame no longer than somebody waits for it. Neighbours that nobody wanted for themselves come out, too.
    """
    users = {other: sum(1 for value in beside.values() if value == other) for other in beside.values()}
    seen: dict[int, Taken] = {}
    waiting: dict[int, list[Taken]] = {}

    def served(one: Taken, other: Taken) -> tuple[Taken, VideoFrame | None]:
        users[other.pts] -= 1
        if not users[other.pts]:
            seen.pop(other.pts, None)
        return one, other.frame if other.sound else None

    for one in taken:
        if users.get(one.pts):
            seen[one.pts] = one
        for waited in waiting.pop(one.pts, []):
            yield served(waited, one)
        other = beside.get(one.pts)
        if other in seen:
            yield served(one, seen[other])
        elif other is None or one.frame is None:
            yield one, None
        else:
            waiting.setdefault(other, []).append(one)
    yield from ((one, None) for ones in waiting.values() for one in ones)
