"""The language of tasks: T as text, as an instruction, and as a goal that positions and colours can be held against.

`Instruction.text` and `parse` are each other's inverse, so a judge needs nothing but T and the first frame.
"""

import re
from dataclasses import dataclass

from microworld.scene import AGENT_COLOURS, AGENT_SHAPES, LANDMARK_COLOURS, LANDMARK_SHAPES, Layout

REACHED = 0.35  # cells: how near counts as there
TOUCHING = 0.95  # cells: how near a pusher is to what it pushed

SIDES = {"to the left of": (0, -1), "to the right of": (0, 1), "above": (-1, 0), "below": (1, 0)}
EDGES = ("left", "right", "top", "bottom")
CORNERS = ("top left", "top right", "bottom left", "bottom right")
FAMILIES = ("movement", "positioning", "interaction", "two-step")

_AGENT = f"(?:{'|'.join(AGENT_COLOURS)}) (?:{'|'.join(AGENT_SHAPES)})"
_LANDMARK = f"(?:{'|'.join(LANDMARK_COLOURS)}) (?:{'|'.join(LANDMARK_SHAPES)})"
_THING = f"(?:{_AGENT}|{_LANDMARK})"

# verb: (family, words of the clause). Groups are the clause's arguments, in order.
CLAUSES = {
    "go": ("movement", f"move to the ({_LANDMARK})"),
    "corner": ("movement", f"move to the ({'|'.join(CORNERS)}) corner"),
    "edge": ("movement", f"move to the ({'|'.join(EDGES)}) edge"),
    "beside": ("positioning", f"stop directly ({'|'.join(SIDES)}) the ({_THING})"),
    "between": ("positioning", f"stop halfway between the ({_THING}) and the ({_THING})"),
    "push": ("interaction", f"push the ({_AGENT}) onto the ({_LANDMARK})"),
    "swap": ("interaction", f"swap places with the ({_AGENT})"),
    "turn": ("interaction", f"turn ({'|'.join(AGENT_COLOURS)})"),
}
MOVES = frozenset(CLAUSES) - {"turn"}  # verbs that take the agent elsewhere

_TASK = re.compile(rf"\[(?P<agent>{_AGENT})\]: (?:first (?P<first>[a-z ]+), then )?(?P<last>[a-z ]+)\.")


class TaskNotUnderstood(ValueError):
    """A task text outside the microworld's language, or about things that the scene does not hold."""


@dataclass(frozen=True)
class Clause:
    """One action: a verb of CLAUSES and its arguments (names of things, sides, colours)."""

    verb: str
    args: tuple[str, ...]

    @property
    def words(self) -> str:
        pattern = CLAUSES[self.verb][1]
        for value in self.args:
            pattern = _fill(pattern, value)
        return pattern


def _fill(pattern: str, value: str) -> str:
    """`pattern` with its first group replaced by `value`."""
    begin, depth = pattern.index("("), 0
    for end in range(begin, len(pattern)):
        depth += {"(": 1, ")": -1}.get(pattern[end], 0)
        if depth == 0:
            return pattern[:begin] + value + pattern[end + 1 :]
    raise AssertionError("unbalanced pattern")


@dataclass(frozen=True)
class Instruction:
    """Who acts, and one or two actions in a row."""

    agent: str
    clauses: tuple[Clause, ...]

    @property
    def family(self) -> str:
        return "two-step" if len(self.clauses) > 1 else CLAUSES[self.clauses[0].verb][0]

    @property
    def text(self) -> str:
        """T, e.g. "[Red disc]: Move to the blue frame."."""
        words = [clause.words for clause in self.clauses]
        sentence = words[0] if len(words) == 1 else f"first {words[0]}, then {words[1]}"
        return f"[{self.agent.capitalize()}]: {sentence.capitalize()}."

    @property
    def combination(self) -> str:
        """What scene.held_out splits by: agent, the first thing named beside it (or the place, or colour), family."""
        return f"{self.agent}|{self.clauses[0].args[-1]}|{self.family}"


def parse(text: str) -> Instruction:
    """The instruction that `text` (T) spells, whatever its capitals. Raises TaskNotUnderstood."""
    match = _TASK.fullmatch(" ".join(text.lower().split()))
    if match is None:
        raise TaskNotUnderstood(f"{text[:200]!r} is not a task like '[Red disc]: Move to the blue frame.'")
    parts = [match["first"], match["last"]] if match["first"] else [match["last"]]
    return Instruction(match["agent"], tuple(_clause(part, text) for part in parts))


def _clause(words: str, text: str) -> Clause:
    for verb, (_, pattern) in CLAUSES.items():
        match = re.fullmatch(pattern, words)
        if match:
            return Clause(verb, match.groups())
    raise TaskNotUnderstood(f"{words[:200]!r} in {text[:200]!r} is not one of the actions {', '.join(CLAUSES)}")


@dataclass(frozen=True)
class Condition:
    """What must hold of one thing at the clip's end, or at some moment before (`visit`).

    `y` and `x` are the place in cells, None where any will do; `colour` the colour it must have; `near` the thing it
    must touch. A condition has a place, a colour or a neighbour, never two of them.
    """

    thing: int
    y: float | None = None
    x: float | None = None
    colour: str | None = None
    near: int | None = None
    visit: bool = False


def goal(instruction: Instruction, layout: Layout) -> tuple[Condition, ...]:
    """What `instruction` asks for in `layout` (the first frame). Raises TaskNotUnderstood."""
    try:
        agent = layout.index(instruction.agent)
        conditions = []
        for place, clause in enumerate(instruction.clauses):
            later = any(c.verb in MOVES for c in instruction.clauses[place + 1 :])
            conditions += _conditions(clause, agent, layout, later)
    except ValueError as error:
        raise TaskNotUnderstood(f"{instruction.text} {error}") from error
    return tuple(conditions)


def _conditions(clause: Clause, agent: int, layout: Layout, visit: bool) -> list[Condition]:
    things, args = layout.things, clause.args
    match clause.verb:
        case "go":
            target = things[layout.index(args[0])]
            return [Condition(agent, target.y, target.x, visit=visit)]
        case "corner":
            row, column = (_border(layout, word) for word in args[0].split())
            return [Condition(agent, row, column, visit=visit)]
        case "edge":
            at = _border(layout, args[0])
            return [Condition(agent, *((at, None) if args[0] in ("top", "bottom") else (None, at)), visit=visit)]
        case "beside":
            (dy, dx), ref = SIDES[args[0]], things[layout.index(args[1])]
            return [Condition(agent, ref.y + dy, ref.x + dx, visit=visit)]
        case "between":
            a, b = (things[layout.index(name)] for name in args)
            return [Condition(agent, (a.y + b.y) / 2, (a.x + b.x) / 2, visit=visit)]
        case "push":
            pushed, target = layout.index(args[0]), things[layout.index(args[1])]
            return [Condition(pushed, target.y, target.x), Condition(agent, near=pushed, visit=visit)]
        case "swap":
            other = layout.index(args[0])
            mine, theirs = things[agent], things[other]
            return [Condition(agent, theirs.y, theirs.x, visit=visit), Condition(other, mine.y, mine.x)]
    return [Condition(agent, colour=args[0])]


def _border(layout: Layout, side: str) -> float:
    """The coordinate of the outermost row or column on a side."""
    return {"top": 0.5, "left": 0.5, "bottom": layout.rows - 0.5, "right": layout.cols - 0.5}[side]
