"""The exact judge: from pixels and T to graded log-odds, without a model.

Three questions: is the task done (the end state), did the right agent do it, is the world consistent. Each answer is a
log-odds within +-LIMIT that grows with the margin, so that two failures can be told apart: 0 lies where a person would
begin to say yes. The video's first frame is what the task is about.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from microworld.grammar import REACHED, TOUCHING, Condition, Instruction, TaskNotUnderstood, goal, parse
from microworld.motion import END, START
from microworld.planning import CONTACT, HALT, LONGEST, PAUSE
from microworld.tracking import Tracks, Untraceable, track

LIMIT = 8.0
SURE = 4.0  # the log-odds of a perfect answer
STIRRED = 0.35  # cells: what moved less counts as still
HIDDEN = 0.34  # share of frames a thing may be missing from, behind another
BACKGROUND = 0.06  # change over half a cell that a person would notice
# The fastest a planned leg gets, in cells per clip: see planning.program.
FASTEST = 1.5 * (LONGEST + 2 * PAUSE + HALT) / (END - START)
JUMP = 0.75  # share of a way that must not be covered in one step between frames


@dataclass(frozen=True)
class Verdict:
    """The three log-odds and what made them: `notes` maps a named measure to its log-odds."""

    task: float
    agent: float
    consistency: float
    notes: dict[str, float] = field(default_factory=dict)


def judge(frames: Sequence[np.ndarray], task: str) -> Verdict:
    """Judges a video (uint8 [T, H, W, 3] RGB, T >= 2) on T.

    A task about things that the first frame does not show has failed in all respects.
    Raises ValueError when the frames are fewer than two or differ in size, and grammar.TaskNotUnderstood for a text
    that is no task of the microworld.
    """
    if len(frames) < 2:
        raise ValueError(f"{len(frames)} frames: a video of at least 2 is expected")
    parse(task)
    if len({frame.shape for frame in frames}) != 1:
        raise ValueError(f"frames of shapes {sorted({frame.shape for frame in frames})}: all of one shape are expected")
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
    notes = consistency(tracks, instruction, conditions)
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
    dy = 0.0 if condition.y is None else path[:, 0] - condition.y
    dx = 0.0 if condition.x is None else path[:, 1] - condition.x
    away = np.hypot(dy, dx)
    if not condition.visit:
        return margin(float(away[-1]), REACHED)
    # Between two frames the thing passed all points of the line: a visit must not fall between them.
    return margin(_closest(path, condition), REACHED)


def _closest(path: np.ndarray, condition: Condition) -> float:
    """The least distance of a polyline [T, 2] from the condition's place."""
    share = np.linspace(0, 1, 9)[None, :, None]
    dense = (path[:-1, None] + (path[1:] - path[:-1])[:, None] * share).reshape(-1, 2)
    dy = 0.0 if condition.y is None else dense[:, 0] - condition.y
    dx = 0.0 if condition.x is None else dense[:, 1] - condition.x
    return float(np.hypot(dy, dx).min())


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


def consistency(tracks: Tracks, instruction: Instruction, conditions: tuple[Condition, ...]) -> dict[str, float]:
    """Log-odds, by name, that nothing vanished, appeared, jumped, changed its looks or drifted."""
    total = len(tracks.positions)
    missing = 1 - tracks.seen.mean(axis=0)
    things = tracks.layout.things
    vanished = -LIMIT if not tracks.last_seen.all() else margin(float(missing.max()), HIDDEN)
    extra = float((tracks.extra > 0).mean())
    duplicated = -LIMIT if tracks.extra[-1] > 0 else margin(extra, 0.3)
    movers = {c.thing for c in conditions}
    drift = max((_stirred(tracks, i) for i, t in enumerate(things) if t.kind != "agent"), default=0.0)
    jumps = max(_jump(tracks, i, total, _single_leg(instruction)) for i in range(len(things)))
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
        "nothing jumped": margin(jumps, 1.0),
        "looks are kept": -SURE if odd else SURE,
        "landmarks stay": margin(drift, STIRRED),
        "background stays": margin(float(tracks.background.max()), BACKGROUND),
    }


def _single_leg(instruction: Instruction) -> bool:
    """Whether all motion is one leg, which takes the whole active part of the clip."""
    return len(instruction.clauses) == 1 and instruction.clauses[0].verb != "push"


def _jump(tracks: Tracks, thing: int, total: int, single: bool) -> float:
    """The largest step between two sightings over what motion can explain: 1 where doubt begins.

    A glide of one leg covers less than JUMP of its way between two of eight or more frames; any leg stays under
    FASTEST.
    """
    steps = np.hypot(*np.diff(tracks.positions[:, thing], axis=0).T)
    # A thing hidden for some frames may go on meanwhile: the step spans them.
    shown = np.flatnonzero(tracks.seen[:, thing])
    spans = np.diff(shown)
    if len(spans) == 0:
        return 0.0
    strides = np.hypot(*np.diff(tracks.positions[shown, thing], axis=0).T)
    over = float((strides / (FASTEST * spans / (total - 1) + 0.3)).max())
    if single and total >= 8 and strides.max() > 0.6:
        over = max(over, float(strides.max() / steps.sum()) / JUMP * 1.2)
    return max(over * 0.9 - 0.1, 0.0)
