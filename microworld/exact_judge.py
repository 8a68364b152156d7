"""The exact judge: from pixels and T to graded log-odds, without a model.

Three questions: is the task done (the end state), did the right agent do it, is the world consistent. Each answer is a
log-odds within +-LIMIT that grows with the margin, so that two failures can be told apart: 0 lies where a person would
begin to say yes. The video's first frame is what the task is about.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from microworld.grammar import REACHED, TOUCHING, Condition, TaskNotUnderstood, goal, parse
from microworld.motion import END, START
from microworld.planning import CONTACT, FADE, HALT, LONGEST, PAUSE
from microworld.tracking import Tracks, Untraceable, track
from models.vlm.questions import NAMES

LIMIT = 8.0
SURE = 4.0  # the log-odds of a perfect answer
STIRRED = 0.35  # cells: what moved less counts as still
HIDDEN = 0.34  # share of frames a thing may be missing from, behind another
BACKGROUND = 0.06  # change over half a cell that a person would notice
# The fastest a planned leg gets, in cells per clip: see planning.program.
FASTEST = 1.5 * (LONGEST + 2 * PAUSE + HALT) / (END - START)
BARE = 0.55  # of what a stride's neighbours should hold of its leg, the share whose lack is doubtful


@dataclass(frozen=True)
class Verdict:
    """The three log-odds and what made them: `notes` maps a named measure to its log-odds."""

    task: float
    agent: float
    consistency: float
    notes: dict[str, float] = field(default_factory=dict)


ANSWERED = tuple(name for name in NAMES if name in Verdict.__dataclass_fields__)  # questions that a verdict answers


def judge(frames: Sequence[np.ndarray], task: str) -> Verdict:
    """Judges a video (uint8 [T, H, W, 3] RGB, T >= 2) on T.

    A task about things that the first frame does not show has failed in all respects.
    Raises ValueError when the frames are fewer than two or differ in size, and grammar.TaskNotUnderstood for a text
    that is no task of the microworld.
    """
    if len(frames) < 2:
        raise ValueError(f"{len(frames)} frames: a video needs at least 2")
    parse(task)
    if len({frame.shape for frame in frames}) != 1:
        raise ValueError(f"frames have the shapes {sorted({frame.shape for frame in frames})}: all must have one shape")
    try:
        return assess(track(frames), task)
    except Untraceable as error:
        return _failed(str(error))


def assess(tracks: Tracks, task: str) -> Verdict:
    """`judge` for things already followed, so that several tasks can be held against one video."""
    instruction = parse(task)
    try:
        conditions = goal(instruction, tracks.layout)
    except TaskNotUnderstood as error:
        return _failed(str(error))
    notes = consistency(tracks, conditions)
    return Verdict(
        task=min(answer(tracks, condition) for condition in conditions),
        agent=right_agent(tracks, tracks.layout.index(instruction.agent), conditions),
        consistency=min(notes.values()),
        notes=notes,
    )


def _failed(why: str) -> Verdict:
    return Verdict(-LIMIT, -LIMIT, -LIMIT, {why[:200]: -LIMIT})


def margin(value: float, limit: float) -> float:
    """Log-odds that `value` (0 is best) is within `limit`: SURE at 0, 0 at it, -SURE at twice, then slower."""
    ratio = value / limit
    return float(max(SURE * (1 - ratio) if ratio <= 2 else -SURE - (ratio - 2) * 0.4, -LIMIT))


def answer(tracks: Tracks, condition: Condition) -> float:
    """Log-odds that a condition holds: at the last frame, or at any frame before it for a visit."""
    if not tracks.last_seen[condition.thing]:
        return -LIMIT
    if condition.colour is not None:
        return SURE if tracks.colours[-1][condition.thing] == condition.colour else -SURE
    path = tracks.positions[:, condition.thing]
    if condition.near is not None:
        gap = float(np.hypot(*(path[-1] - tracks.positions[-1, condition.near])))
        return margin(max(gap - CONTACT, 0.0), TOUCHING - CONTACT + 0.2)
    if not condition.visit:
        return margin(float(_away(path, condition)[-1]), REACHED)
    # Between two frames the thing passed all points of the line: a visit must not fall between them.
    share = np.linspace(0, 1, 9)[None, :, None]
    dense = (path[:-1, None] + (path[1:] - path[:-1])[:, None] * share).reshape(-1, 2)
    return margin(float(_away(dense, condition).min()), REACHED)


def _away(points: np.ndarray, condition: Condition) -> np.ndarray:
    """The distances [N] of points [N, 2] from the condition's place."""
    dy = 0.0 if condition.y is None else points[:, 0] - condition.y
    dx = 0.0 if condition.x is None else points[:, 1] - condition.x
    return np.hypot(dy, dx)


def right_agent(tracks: Tracks, agent: int, conditions: tuple[Condition, ...]) -> float:
    """Log-odds that the named agent acted, and that no agent moved which the task does not name."""
    parties = {agent} | {c.thing for c in conditions}
    strays = [_stirred(tracks, i) for i, t in enumerate(tracks.layout.things) if t.kind == "agent" and i not in parties]
    wanted = [c for c in conditions if c.thing == agent and c.colour is not None]
    turned = [SURE if tracks.colours[-1][agent] != tracks.colours[0][agent] else -SURE for _ in wanted]
    moves = any(c.colour is None and c.thing == agent for c in conditions)
    acted = [-margin(_stirred(tracks, agent), STIRRED)] if moves else []
    return float(np.clip(min([margin(max(strays, default=0.0), STIRRED), *turned, *acted]), -LIMIT, SURE))


def _stirred(tracks: Tracks, thing: int) -> float:
    """The furthest a thing got from where it began, in cells; a changed colour or shape counts like two cells."""
    path = tracks.positions[:, thing]
    changed = tracks.colours[-1][thing] != tracks.colours[0][thing]
    return max(float(np.hypot(*(path - path[0]).T).max()), 2.0 * changed)


def consistency(tracks: Tracks, conditions: tuple[Condition, ...]) -> dict[str, float]:
    """Log-odds, by name, that nothing vanished, appeared, jumped, changed its looks or drifted."""
    missing = 1 - tracks.seen.mean(axis=0)
    things = tracks.layout.things
    vanished = -LIMIT if not tracks.last_seen.all() else margin(float(missing.max()), HIDDEN)
    extra = float((tracks.extra > 0).mean())
    duplicated = -LIMIT if tracks.extra[-1] > 0 else margin(extra, 0.3)
    movers = {c.thing for c in conditions}
    drift = max((_stirred(tracks, i) for i, t in enumerate(things) if t.kind != "agent"), default=0.0)
    colours = {c.thing: c.colour for c in conditions if c.colour is not None}
    odd = [
        i
        for i in range(len(things))
        if tracks.shapes[-1][i] != things[i].shape
        or tracks.colours[-1][i] not in (things[i].colour, colours.get(i))
        or (i not in movers and things[i].kind == "agent" and tracks.colours[-1][i] != things[i].colour)
    ]
    return {
        "nothing vanished": vanished,
        "nothing appeared": duplicated,
        "nothing jumped": margin(_jumps(tracks), 1.0),
        "looks are kept": -SURE if odd else SURE,
        "landmarks stay": margin(drift, STIRRED),
        "background stays": margin(float(tracks.background.max()), BACKGROUND),
    }


def _jumps(tracks: Tracks) -> float:
    """The likeliest jump of any thing, whatever the task: 1 where doubt begins, 0 where there is none. See `_jump`."""
    travel = float(np.linalg.norm(np.diff(tracks.positions, axis=0), axis=2).sum(axis=0).max())
    # As planning.program divides time: by travel, and by what starting, stopping, halting and turning are worth.
    turned = tracks.colours[-1] != tracks.colours[0]
    whole = min(travel, LONGEST) + (FADE if turned else PAUSE) + PAUSE + HALT
    pace = (END - START) * (len(tracks.positions) - 1) / whole
    return max(_jump(tracks.positions[:, i], tracks.seen[:, i], pace) for i in range(len(tracks.layout.things)))


def _jump(path: np.ndarray, seen: np.ndarray, pace: float) -> float:
    """How unlike motion a thing's sightings are (path [T, 2], seen bool [T]); `pace`: frame intervals a cell takes.

    A stride between two sightings is a jump when it is longer than the fastest leg's, or when it stands alone: a leg
    takes time by its length, so a long stride has neighbours of the same leg, unless motion is left out. Time unseen
    counts in the first (a thing may go on behind another), but not in the second: what fades out here while it fades in
    there has not moved.
    """
    shown = np.flatnonzero(seen)
    strides = np.hypot(*np.diff(path[shown], axis=0).T)
    if not strides.any():
        return 0.0
    fast = float((strides / (FASTEST * np.diff(shown) / (len(path) - 1) + 0.3)).max())
    legs = np.convolve(strides, np.ones(3))[1:-1]  # each stride with its neighbours
    part = 1 / np.maximum(pace * (legs + PAUSE), 1.0)  # one frame interval, of the time that such a leg takes
    usual = _peak(part) / _peak(np.minimum(3 * part, 1.0))
    # A leg that fits into little more than one interval may be one stride: then little is held against it.
    lack = (strides / np.maximum(legs, 1e-9) - usual) / np.maximum(1 - usual, 0.25)
    # Up to a thing's own size its two sightings overlap, and nobody sees a gap.
    alone = float((lack * np.clip((strides - 0.3) / 0.3, 0, 1)).max())
    return max(fast * 0.9 - 0.1, alone / BARE, 0.0)


def _peak(part: np.ndarray) -> np.ndarray:
    """The most of its way that an eased leg covers in `part` (0..1) of its time."""
    return 1.5 * part - 0.5 * part**3
