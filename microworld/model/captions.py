"""Captions of clips for pre-training, and what each of them says.

A clip is captioned with D, with D's motion alone, loosely (without coordinates, so that places are known by what lies
there) or tersely (one plain sentence of what happens). T itself, an order to somebody, is never a caption.
"""

import re

from microworld.scene import AGENT_COLOURS, AGENT_SHAPES, LANDMARK_COLOURS, LANDMARK_SHAPES

COLOURS = (*AGENT_COLOURS, *LANDMARK_COLOURS)
SHAPES = (*AGENT_SHAPES, *LANDMARK_SHAPES)
PLACES = (
    *("top left corner", "top right corner", "bottom left corner", "bottom right corner"),
    *("top edge", "bottom edge", "left edge", "right edge"),
)
RELATIONS = {"between": "between", "right of the": "right", "left of the": "left", "below the": "below"}
RELATIONS |= {"above the": "above", "swap": "swap", "where the": "swap"}
KINDS = (*PLACES, "between", "right", "left", "below", "above", "swap", "on")
# What `facts` tells, in its order, with the number of answers each has.
FACTS = {
    "agent colour": len(COLOURS),
    "agent shape": len(SHAPES),
    "end row": 4,
    "end column": 4,
    "target colour": len(COLOURS),
    "target shape": len(SHAPES),
    "relation": len(KINDS),
    "new colour": len(COLOURS),
}
UNKNOWN = -1
NAME = re.compile(rf"({'|'.join(COLOURS)}) ({'|'.join(SHAPES)})")
REST = re.compile(r"rest at row (\d), column (\d)")
DETAILS = (
    r" at row \d, column \d,?",
    r" along (row|column) \d",
    r" (one|two|three) cells? (left|right|up|down)( and (one|two|three) cells? (left|right|up|down))?",
    r" in a slant",
    r" (passing|crossing) [^,.]*,",
    r", then goes",
)


def loose(brief: str) -> str:
    """`brief` (a task's short D) without coordinates, counts of cells and what is passed on the way."""
    for detail in DETAILS:
        brief = re.sub(detail, "", brief)
    return brief.replace(" ,", ",")


def terse(task: str) -> str:
    """What happens when `task` (T) is done, as one sentence: "The red disc moves to the blue frame."."""
    agent, _, order = task.partition("]: ")
    told = re.sub(r"\b(move|stop|push|swap|turn)\b", r"\1s", order.lower()).replace("pushs", "pushes")
    return f"The {agent.strip('[').lower()} {told}"


def facts(text: str) -> list[int]:
    """What a text (T, D or a caption) says, as indices in the order of FACTS; UNKNOWN for what it leaves open."""
    text = text.lower()
    agent = NAME.search(text)
    ends = list(REST.finditer(text))
    tail = _last_clause(text, ends, agent.end() if agent else 0)
    target = NAME.search(tail)
    turned = re.search(r"(?:fades from \w+ to|turns?) (\w+)", text)
    return [
        COLOURS.index(agent[1]) if agent else UNKNOWN,
        SHAPES.index(agent[2]) if agent else UNKNOWN,
        int(ends[-1][1]) - 1 if ends else UNKNOWN,
        int(ends[-1][2]) - 1 if ends else UNKNOWN,
        COLOURS.index(target[1]) if target else UNKNOWN,
        SHAPES.index(target[2]) if target else UNKNOWN,
        _relation(tail),
        COLOURS.index(turned[1]) if turned and turned[1] in COLOURS else UNKNOWN,
    ]


def _last_clause(text: str, ends: list, after: int) -> str:
    if ends:
        return text[ends[-1].end() :].split(". ")[0]
    if "coming to rest" in text:
        return text[text.rindex("coming to rest") :].split(". ")[0]
    return text[after:].split(", then")[-1]


def _relation(tail: str) -> int:
    for place in PLACES:
        if place in tail:
            return KINDS.index(place)
    for words, kind in RELATIONS.items():
        if words in tail:
            return KINDS.index(kind)
    return KINDS.index("on") if re.search(r"\bon the|to the|onto the", tail) else UNKNOWN
