"""D: what a motion looks like, spelled out for somebody who does not know the task.

D gives rows and columns, directions and numbers of cells, what is passed and the pose at the end, so that the video
could be drawn from it without T. Its brief form keeps the motion alone.
"""

from itertools import pairwise

import numpy as np

from microworld.grammar import Instruction
from microworld.planning import Step, nearest
from microworld.scene import Layout, Thing

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
PASSED = 1.05  # cells: nearer than this is worth telling

OPENING = "Counted from the top left, the {name} starts at {place}."
CLOSING = "Everything else keeps its place and colour, the background stays the same and the camera does not move."
SHORT_CLOSING = "All else and the camera stay still."  # after long motions
LONG = 55  # words of motion
MOST = 90  # words of D


def solution(layout: Layout, instruction: Instruction, steps: tuple[Step, ...]) -> str:
    """D in full: opening, motion, what stays as it was. 40 to 90 words."""
    agent = layout.things[layout.index(instruction.agent)]
    opening = OPENING.format(name=agent.name, place=place(agent.y, agent.x))
    motion = _motion(layout, instruction, steps, "It")
    if len(motion.split()) > MOST - len(opening.split()) - len(SHORT_CLOSING.split()):
        motion = _motion(layout, instruction, steps, "It", passed=0)
    return f"{opening} {motion} {SHORT_CLOSING if len(motion.split()) > LONG else CLOSING}"


def brief(layout: Layout, instruction: Instruction, steps: tuple[Step, ...]) -> str:
    """The motion alone, one sentence a step."""
    return _motion(layout, instruction, steps, f"The {instruction.agent}")


def _motion(layout: Layout, instruction: Instruction, steps: tuple[Step, ...], subject: str, passed: int = 2) -> str:
    agent = layout.index(instruction.agent)
    told: list[str] = []
    sentences = [_sentence(layout, agent, step, steps[i + 1 :], told, passed) for i, step in enumerate(steps)]
    return " ".join(f"{'Then it' if i else subject} {sentence}." for i, sentence in enumerate(sentences))


def _sentence(layout: Layout, agent: int, step: Step, later: tuple[Step, ...], told: list[str], most: int) -> str:
    if step.manner == "fade":
        return f"keeps still while its colour fades from {layout.things[agent].colour} to {step.colour}"
    path = step.paths[agent]
    if step.manner == "push":
        (pushed,) = (i for i in step.paths if i != agent)
        end = step.paths[pushed][-1]
        return (
            f"pushes the {layout.things[pushed].name} {way(step.paths[pushed])} until that rests at {place(*end)}, "
            f"on the {step.clause.args[1]}, and stops right behind it"
        )
    if step.manner == "arc":
        (other,) = (i for i in step.paths if i != agent)
        start, end = path[0], path[-1]
        return (
            f"curves {way((start, end))} to rest at {place(*end)}, where the {layout.things[other].name} was, which "
            f"meanwhile curves round it the other way to {place(*start)}"
        )
    legs = [way(path[i : i + 2]) + _line(path[i : i + 2]) for i in range(len(path) - 1)]
    passing = _passing(layout, step, told, most)
    return f"glides {', then goes '.join(legs)}{passing}, {_rest(layout, step, later)}"


def _line(leg: tuple) -> str:
    """ " along row 2" for a leg that keeps to one row or column."""
    (y0, x0), (y1, x1) = leg
    if abs(y1 - y0) < 0.25:
        return f" along row {int(y1) + 1}"
    return f" along column {int(x1) + 1}" if abs(x1 - x0) < 0.25 else " in a slant"


def _rest(layout: Layout, step: Step, later: tuple[Step, ...]) -> str:
    end, args = step.paths[next(iter(step.paths))][-1], step.clause.args
    where = {
        "go": "on the {0}",
        "corner": "in the {0} corner",
        "edge": "at the {0} edge",
        "beside": "directly {0} the {1}",
        "between": "halfway between the {0} and the {1}",
        "push": "right behind the {0}",
    }[step.clause.verb].format(*args)
    moves_on = any(s.manner != "fade" for s in later)
    return f"{'halting briefly' if moves_on else 'coming to rest'} at {place(*end)}, {where}"


def _passing(layout: Layout, step: Step, told: list[str], most: int) -> str:
    """What lies beside or under the way, `most` things in all."""
    (agent, path), *_ = step.paths.items()
    words = []
    for i, thing in enumerate(layout.things):
        name = thing.name if thing.kind != "stone" else "grey stone"
        if i == agent or name in step.clause.args or name in told or len(told) >= most:
            continue
        gap = nearest(path, thing)
        if gap > PASSED or _ahead(path, thing):
            continue
        told.append(name)
        words.append(f"crossing the {name}" if thing.kind == "landmark" and gap < 0.3 else _beside(path, thing, name))
    return "".join(f", {word}" for word in words)


def _ahead(path: tuple, thing: Thing) -> bool:
    """Whether the thing is nearest to where the way begins or ends: that is no passing."""
    ends = min(np.hypot(y - thing.y, x - thing.x) for y, x in (path[0], path[-1]))
    return ends - nearest(path, thing) < 0.05


def _beside(path: tuple, thing: Thing, name: str) -> str:
    points = np.array(path)
    share = np.linspace(0, 1, 33)[:, None]
    dense = np.concatenate([a + (b - a) * share for a, b in pairwise(points)])
    dy, dx = (dense - (thing.y, thing.x))[np.hypot(*(dense - (thing.y, thing.x)).T).argmin()]
    upright, level = ("above" if dy < 0 else "below"), ("left of" if dx < 0 else "right of")
    return f"passing {upright if abs(dy) > abs(dx) else level} the {name}"


def place(y: float, x: float) -> str:
    return f"row {int(y) + 1}, column {int(x) + 1}"


def way(path: tuple) -> str:
    """How far and which way from the first to the last point: "two cells right and one cell up"."""
    dy, dx = path[-1][0] - path[0][0], path[-1][1] - path[0][1]
    parts = [
        f"{cells(abs(d))} {words[d > 0]}"
        for d, words in ((dx, ("left", "right")), (dy, ("up", "down")))
        if abs(d) >= 0.25
    ]
    return " and ".join(parts) or "hardly any way"


def cells(distance: float) -> str:
    """A distance in words, to half a cell."""
    halves = max(round(distance * 2), 1)
    whole, half = divmod(halves, 2)
    if whole == 0:
        return "half a cell"
    return f"{NUMBERS[whole]}{' and a half' if half else ''} cell{'s' if halves > 2 else ''}"
