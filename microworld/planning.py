"""From an instruction to an exact motion: paths that touch nobody, paced so that nothing moves too fast to follow."""

from dataclasses import dataclass, replace

import numpy as np

from microworld.grammar import REACHED, Clause, Instruction, goal
from microworld.motion import Leg, Program
from microworld.scene import Layout, Thing
from microworld.shapes import RADIUS

CLEARANCE = {"agent": 0.68, "stone": 0.5}  # cells between the centres of a mover and what it must not touch
CONTACT = 0.72  # cells between the centres of a pusher and the pushed
LONGEST = 7.5  # cells an agent may travel in a clip: more would look like a jump in eight frames
PAUSE = 0.8  # cells of travel that starting and stopping a leg are worth in time
HALT = 0.8  # the same for the stop between two moves: long enough to be seen in eight frames
FADE = 1.6  # the same for a change of colour


@dataclass(frozen=True)
class Step:
    """What one clause became: the ways of the things that move, all in the same span of time, or a new colour.

    `manner` is one of "line", "corner" (one right-angled turn), "arc", "push", "fade".
    """

    clause: Clause
    manner: str
    paths: dict[int, tuple[tuple[float, float], ...]]
    colour: str | None = None

    @property
    def length(self) -> float:
        return max((_length(path) for path in self.paths.values()), default=0.0)


def plan(layout: Layout, instruction: Instruction) -> tuple[Step, ...] | None:
    """The steps that carry `instruction` out, or None where it is impossible, already true, or has no clear way.

    Raises grammar.TaskNotUnderstood when it names what `layout` does not hold.
    """
    goal(instruction, layout)  # names what is missing, once for all clauses
    agent = layout.index(instruction.agent)
    now, steps = layout, []
    for clause in instruction.clauses:
        # References stay where they were in the first frame: the goal is read from that picture.
        made = _steps(now, layout, agent, clause)
        if made is None:
            return None
        for step in made:
            now = _after(now, agent, step)
        steps += made
    travel = sum(step.length for step in steps)
    return tuple(steps) if travel <= LONGEST else None


def program(layout: Layout, instruction: Instruction, steps: tuple[Step, ...]) -> Program:
    """The timed motion of `steps`, each given time by its length."""
    agent = layout.index(instruction.agent)
    cost = np.array([FADE if step.colour else step.length + PAUSE for step in steps])
    halt = HALT if len(instruction.clauses) > 1 else 0.0
    whole = cost.sum() + halt * (len(steps) - 1)
    starts = (np.cumsum(cost) - cost + halt * np.arange(len(steps))) / whole
    legs = []
    for step, start, share in zip(steps, starts, cost / whole, strict=True):
        span = (float(start), float(start + share))
        if step.colour:
            here = legs[-1].path[-1] if legs else (layout.things[agent].y, layout.things[agent].x)
            legs.append(Leg(agent, *span, (here,), step.colour))
        legs += [Leg(thing, *span, path) for thing, path in step.paths.items()]
    return Program(tuple(legs))


def _steps(now: Layout, first: Layout, agent: int, clause: Clause) -> list[Step] | None:
    here = now.things[agent]
    if clause.verb == "turn":
        colour = clause.args[0]
        taken = any(t.shape == here.shape and t.colour == colour for t in now.things)
        return None if taken else [Step(clause, "fade", {}, colour)]
    if clause.verb == "push":
        return _push(now, agent, clause)
    if clause.verb == "swap":
        return _swap(now, agent, clause)
    names = {arg for arg in clause.args if arg == here.name}
    if names or (clause.verb == "between" and not _in_line(first, clause)):
        return None
    wanted = goal(Instruction(first.things[agent].name, (clause,)), first)[0]
    end = (here.y if wanted.y is None else wanted.y, here.x if wanted.x is None else wanted.x)
    if np.hypot(end[0] - here.y, end[1] - here.x) < 2 * REACHED:
        return None  # true before anything moved, or too nearly so
    way = _way(now, {agent}, (here.y, here.x), end)
    return None if way is None else [Step(clause, "line" if len(way) == 2 else "corner", {agent: way})]


def _in_line(layout: Layout, clause: Clause) -> bool:
    """Whether the two things lie in one row or column with at least one cell between them."""
    a, b = (layout.things[layout.index(name)] for name in clause.args)
    dy, dx = abs(a.y - b.y), abs(a.x - b.x)
    return a.name != b.name and min(dy, dx) < 0.4 and max(dy, dx) > 1.6


def _push(now: Layout, agent: int, clause: Clause) -> list[Step] | None:
    pushed = now.index(clause.args[0])
    target, thing, here = now.things[now.index(clause.args[1])], now.things[pushed], now.things[agent]
    dy, dx = target.y - thing.y, target.x - thing.x
    if pushed == agent or thing.colour == here.colour or min(abs(dy), abs(dx)) > 0.4 or max(abs(dy), abs(dx)) < 0.7:
        return None
    along = np.array([np.sign(dy), 0.0] if abs(dy) > abs(dx) else [0.0, np.sign(dx)])
    end = np.array([target.y, target.x])
    start = np.array([thing.y, thing.x])
    # The pusher goes straight; the pushed thing drifts by its jitter into the landmark's line.
    behind, rest = _point(start - along * CONTACT), _point(end - along * CONTACT)
    if not (_free(now, {agent, pushed}, (behind, rest)) and _free(now, {agent, pushed}, (_point(start), _point(end)))):
        return None
    steps = [Step(clause, "push", {agent: (behind, rest), pushed: (_point(start), _point(end))})]
    if np.hypot(here.y - behind[0], here.x - behind[1]) > 0.05:
        way = _way(now, {agent}, (here.y, here.x), behind)
        if way is None:
            return None
        steps.insert(0, Step(clause, "line" if len(way) == 2 else "corner", {agent: way}))
    return steps


def _swap(now: Layout, agent: int, clause: Clause) -> list[Step] | None:
    other = now.index(clause.args[0])
    if other == agent:
        return None
    a, b = (np.array([now.things[i].y, now.things[i].x]) for i in (agent, other))
    across = np.array([-(b - a)[1], (b - a)[0]]) / np.hypot(*(b - a))
    angles = np.linspace(0, np.pi, 13)[:, None]
    for bow in (0.45, -0.45):  # to one side, or to the other
        line = (a + b) / 2 + (a - b) / 2 * np.cos(angles)
        mine, theirs = line + bow * across * np.sin(angles), line[::-1] - bow * across * np.sin(angles)
        paths = {agent: tuple(map(_point, mine)), other: tuple(map(_point, theirs))}
        if all(_free(now, {agent, other}, path) for path in paths.values()):
            return [Step(clause, "arc", paths)]
    return None


def _way(now: Layout, movers: set[int], start: tuple, end: tuple) -> tuple[tuple[float, float], ...] | None:
    """A straight way, or one with a single right-angled turn, that touches nobody; None when all are blocked."""
    start, end = _point(start), _point(end)
    ways = [(start, end)]
    if min(abs(start[0] - end[0]), abs(start[1] - end[1])) > 0.4:
        ways += [(start, (start[0], end[1]), end), (start, (end[0], start[1]), end)]
    return next((way for way in ways if _free(now, movers, way)), None)


def _free(now: Layout, movers: set[int], path: tuple) -> bool:
    """Whether a mover on `path` stays inside the picture and clear of agents and stones."""
    points = np.array(path)
    if (points < RADIUS).any() or (points > np.array([now.rows, now.cols]) - RADIUS).any():
        return False
    return all(
        nearest(path, thing) > CLEARANCE[thing.kind]
        for i, thing in enumerate(now.things)
        if i not in movers and thing.kind in CLEARANCE
    )


def nearest(path: tuple, thing: Thing) -> float:
    """The least distance in cells from `thing` to the polyline `path`."""
    points, at = np.array(path), np.array([thing.y, thing.x])
    starts, spans = points[:-1], np.diff(points, axis=0)
    share = ((at - starts) * spans).sum(-1) / np.maximum((spans**2).sum(-1), 1e-12)
    closest = starts + np.clip(share, 0, 1)[:, None] * spans
    return float(np.hypot(*(closest - at).T).min())


def _after(now: Layout, agent: int, step: Step) -> Layout:
    things = list(now.things)
    for i, path in step.paths.items():
        things[i] = replace(things[i], y=path[-1][0], x=path[-1][1])
    if step.colour:
        things[agent] = replace(things[agent], colour=step.colour)
    return replace(now, things=tuple(things))


def _point(point) -> tuple[float, float]:
    return round(float(point[0]), 3), round(float(point[1]), 3)


def _length(path: tuple) -> float:
    return float(np.hypot(*np.diff(np.array(path), axis=0).T).sum())
