"""Which frames to take from a clip and the cheapest correct way to reach them: arithmetic only, no file is touched.

Frames wanted become frames that exist (the nearest presentation time), grouped by the keyframe that governs them (the
last one at or before). A plan is a list of runs: start at a keyframe, decode forward, stop at the run's last frame. A
new run costs a seek; staying in the run costs decoding what lies between. The boundaries are independent, so taking
the cheaper side of each gives the cheapest plan.
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from media.index import FrameIndex

MODES = ("auto", "keyframe", "exact")

# What a seek and the restart of the decoder cost, in frames decoded. Measured on H.264 in MP4, one core: 0.03 ms
# against 0.4 (640x360) to 1.8 ms (1280x720) a frame, so well below one; 1 leaves room for containers without a sample
# table.
SEEK_COST_FRAMES = 1

CUT_MARGIN_S = Fraction(1, 5)

# A clip whose last time is a lie (days after the others) is asked for at this many times at most, or twice a frame.
MOST_REQUESTED = 1_000_000


@dataclass(frozen=True)
class Wanted:
    """One frame to take: its presentation time, and the time that was asked for (seconds after the first frame)."""

    pts: int
    seconds: float
    requested_s: float


@dataclass(frozen=True)
class Run:
    """Decode forward from the keyframe at `start` until the last of `targets` (increasing) is there."""

    start: int
    targets: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """`mode` is "keyframe" (every target is a keyframe and decoded alone) or "exact"; `wanted` is sorted by time.

    beside: (pts of a wanted frame, pts of a target that is decoded for its sake), see with_neighbours. numbers: of a
    clip whose frames are counted, (pts of a target, its place in the order shown, from 0); else None.
    """

    mode: str
    wanted: tuple[Wanted, ...]
    runs: tuple[Run, ...]
    beside: tuple[tuple[int, int], ...] = ()
    numbers: tuple[tuple[int, int], ...] | None = None

    def to_json(self) -> dict:
        return {
            "mode": self.mode,
            "wanted": [[frame.pts, frame.seconds, frame.requested_s] for frame in self.wanted],
            "runs": [[run.start, list(run.targets)] for run in self.runs],
            "beside": [list(pair) for pair in self.beside],
            "numbers": None if self.numbers is None else [list(pair) for pair in self.numbers],
        }

    @classmethod
    def from_json(cls, value: dict) -> "Plan":
        wanted = tuple(Wanted(*frame) for frame in value["wanted"])
        runs = tuple(Run(start, tuple(targets)) for start, targets in value["runs"])
        beside = tuple((pts, other) for pts, other in value["beside"])
        numbers = None if value["numbers"] is None else tuple((pts, number) for pts, number in value["numbers"])
        return cls(value["mode"], wanted, runs, beside, numbers)


def requested_times(index: FrameIndex, count: int, every_s: float | None = None) -> list[Fraction]:
    """Times to look at, in ticks after the first frame, increasing.

    By default the middles of `count` equal parts of the clip's span: inside, because clips open and close on fades and
    titles. With `every_s`: 0, every_s, 2 every_s ... up to the last frame. Raises ValueError for values out of range.
    """
    span = int(index.pts[-1]) - int(index.pts[0])
    if every_s is None:
        if count < 1:
            raise ValueError(f"count {count}: at least one frame must be wanted")
        return [Fraction(span * (2 * i + 1), 2 * count) for i in range(count)]
    if not (math.isfinite(every_s) and every_s > 0):
        raise ValueError(f"every_s {every_s}: a positive number of seconds is expected")
    step = Fraction(repr(float(every_s))) / index.time_base  # repr: 0.1 means a tenth, not its nearest binary fraction
    if span // step < MOST_REQUESTED:
        return [i * step for i in range(span // step + 1)]
    # The two times around each frame: a frame that is the nearest to any time is the nearest to one of these.
    near = {(int(pts) - int(index.pts[0])) // step for pts in index.pts}
    return [i * step for i in sorted(near | {i + 1 for i in near}) if i * step <= span]


def nearest(candidates: np.ndarray, ticks: Sequence[Fraction], origin: int) -> list[int]:
    """For each time (ticks after `origin`) the closest of `candidates` (int64, sorted), the earlier of two as close."""
    chosen = []
    for tick in ticks:
        at = origin + tick
        right = int(np.searchsorted(candidates, math.ceil(at)))
        near = [int(value) for value in candidates[max(right - 1, 0) : right + 1]]
        chosen.append(min(near, key=lambda value: (abs(value - at), value)))
    return chosen


def governing(keyframes: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """For each target (int64, sorted) the last keyframe (int64, strictly increasing) at or before it.

    Raises ValueError for no or unsorted keyframes, unsorted targets, or a target before the first keyframe.
    """
    if not len(keyframes) or np.any(keyframes[1:] <= keyframes[:-1]):
        raise ValueError("keyframes must be a non-empty, strictly increasing list")
    if np.any(targets[1:] < targets[:-1]):
        raise ValueError("targets must be sorted")
    if len(targets) and targets[0] < keyframes[0]:
        raise ValueError(f"target {targets[0]} lies before the first keyframe {keyframes[0]}")
    return keyframes[np.searchsorted(keyframes, targets, side="right") - 1]


def exact_runs(index: FrameIndex, targets: Sequence[int]) -> tuple[Run, ...]:
    """The cheapest runs that deliver exactly `targets` (sorted, distinct, each a pts of the index).

    Raises ValueError as `governing` does, and for a target that is no frame of the index.
    """
    wanted = np.asarray(targets, np.int64)
    missing = np.setdiff1d(wanted, index.pts)
    if len(missing):
        raise ValueError(f"target {missing[0]} is no frame of the clip ({index.pts[0]} to {index.pts[-1]})")
    starts = governing(index.keyframe_pts, wanted)
    position = np.searchsorted(index.pts, wanted)
    start_position = np.searchsorted(index.pts, starts)
    runs: list[Run] = []
    for i, target in enumerate(wanted.tolist()):
        # Going on decodes every frame after the previous target, seeking only those from the keyframe on.
        between = start_position[i] - position[i - 1] - 1 if i else math.inf
        if i and (starts[i] == starts[i - 1] or between <= SEEK_COST_FRAMES):
            runs[-1] = Run(runs[-1].start, (*runs[-1].targets, target))
        else:
            runs.append(Run(int(starts[i]), (target,)))
    return tuple(runs)


def exact_plan(index: FrameIndex, wanted: Sequence[Wanted]) -> Plan:
    """How to reach exactly the frames `wanted` (sorted, distinct); raises ValueError as `exact_runs` does."""
    targets = [frame.pts for frame in wanted]
    return Plan("exact", tuple(wanted), exact_runs(index, targets), numbers=places_shown(index, targets))


def places_shown(index: FrameIndex, targets: Sequence[int]) -> tuple[tuple[int, int], ...] | None:
    """(pts, place in the order shown) of frames that are found by counting, else None."""
    places = np.searchsorted(index.pts, np.asarray(targets, np.int64)).tolist()
    return tuple(zip(targets, places, strict=True)) if index.counted else None


def distinct(index: FrameIndex, chosen: Sequence[int], ticks: Sequence[Fraction]) -> list[Wanted]:
    """Merges choices that are one frame, or two within a millisecond (a frame's id holds its time in milliseconds)."""
    wanted: dict[int, Wanted] = {}
    for pts, tick in zip(chosen, ticks, strict=True):
        seconds = index.seconds(pts)
        wanted.setdefault(milliseconds(seconds), Wanted(pts, seconds, float(tick * index.time_base)))
    return [wanted[key] for key in sorted(wanted)]


def milliseconds(seconds: float) -> int:
    """Whole milliseconds, halves up: the time in a frame's id."""
    return math.floor(Fraction(seconds) * 1000 + Fraction(1, 2))


def plan_clip(
    index: FrameIndex,
    count: int = 8,
    every_s: float | None = None,
    mode: str = "auto",
    long_clip_s: float = 30.0,
    cuts: Sequence[int] = (),
) -> Plan:
    """The frames of a clip and how to reach them.

    `mode`: "exact" takes the frame nearest each requested time; "keyframe" the keyframe nearest to it, each once;
    "auto" is keyframe for clips of at least `long_clip_s` seconds. When snapping leaves fewer frames than exact would
    give, or frames are counted, the clip is planned as exact. `cuts`: presentation times at which a new shot begins;
    frames keep off them. Raises ValueError for options out of range.
    """
    if mode not in MODES:
        raise ValueError(f"mode {mode!r}: expected one of {', '.join(MODES)}")
    origin = int(index.pts[0])
    ticks = requested_times(index, count, every_s)
    times = away_from_cuts(index, ticks, cuts) if len(cuts) else ticks
    wanted = distinct(index, nearest(index.pts, times, origin), ticks)
    keyframes = index.shown_keyframes
    if len(cuts):  # encoders put keyframes on cuts
        after = [Fraction(int(pts) - origin) for pts in keyframes]
        keyframes = keyframes[[a == b for a, b in zip(after, away_from_cuts(index, after, cuts), strict=True)]]
    if (
        len(keyframes)
        and not index.counted
        and (mode == "keyframe" or (mode == "auto" and index.exact_seconds(index.pts[-1]) >= Fraction(long_clip_s)))
    ):
        snapped = distinct(index, nearest(keyframes, times, origin), ticks)
        if len(snapped) >= len(wanted):
            return Plan("keyframe", tuple(snapped), tuple(Run(frame.pts, (frame.pts,)) for frame in snapped))
    return exact_plan(index, wanted)


def shots(shown: np.ndarray, cuts: Sequence[int]) -> list[tuple[int, int]]:
    """(first, last) presentation time of each shot.

    `shown`: int64, sorted. `cuts`: at which a new shot begins, the first one left out.
    """
    begins = np.searchsorted(shown, [int(shown[0]), *cuts])
    ends = [*begins[1:], len(shown)]
    return [(int(shown[begin]), int(shown[end - 1])) for begin, end in zip(begins, ends, strict=True) if end > begin]


def away_from_cuts(index: FrameIndex, ticks: Sequence[Fraction], cuts: Sequence[int]) -> list[Fraction]:
    """Times (ticks after the first frame) moved off the ends of their shots, which a conversion of the frame rate often
    blends with the shot beside: by CUT_MARGIN_S, in short shots by a quarter of their length."""
    origin, parts, moved = int(index.pts[0]), shots(index.pts, cuts), []
    firsts = [first for first, _ in parts]
    for tick in ticks:
        first, last = parts[max(0, bisect.bisect_right(firsts, origin + tick) - 1)]
        margin = min(Fraction(CUT_MARGIN_S) / index.time_base, Fraction(last - first, 4))
        low = first + margin if first > firsts[0] else first
        high = last - margin if first < firsts[-1] else last
        moved.append(min(max(tick, low - origin), high - origin))
    return moved


def with_neighbours(plan: Plan, index: FrameIndex) -> Plan:
    """The plan with one more target for each wanted frame, which deinterlacing looks at: the frame before it where that
    is decoded on the way, else the one after it. A clip of one frame has none. `plan` is one of `index`."""
    pts = index.pts
    wanted = np.asarray([frame.pts for frame in plan.wanted], np.int64)
    places, starts = np.searchsorted(pts, wanted), governing(index.keyframe_pts, wanted)
    beside = {}
    for target, place, start in zip(wanted.tolist(), places.tolist(), starts.tolist(), strict=True):
        before, after = pts[max(place - 1, 0) : place].tolist(), pts[place + 1 : place + 2].tolist()
        on_the_way = [other for other in before if other >= start]
        if others := on_the_way + after + before:
            beside[target] = others[0]
    if plan.mode == "keyframe":
        runs = tuple(
            Run(run.start, tuple(sorted({*run.targets, *(beside[at] for at in run.targets if at in beside)})))
            for run in plan.runs
        )
    else:
        runs = exact_runs(index, sorted({*wanted.tolist(), *beside.values()}))
    numbers = places_shown(index, [target for run in runs for target in run.targets])
    return replace(plan, runs=runs, beside=tuple(beside.items()), numbers=numbers)
