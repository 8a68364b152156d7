"""The tasks a scene allows, in four families: movement, positioning, interaction and two-step.

A task is its text: everything else (goal, motion, D) follows from T and the layout, whether the layout comes from the
generator or was read from pixels.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from microworld.grammar import CORNERS, EDGES, FAMILIES, SIDES, Clause, Instruction, parse
from microworld.motion import Program
from microworld.planning import plan, program
from microworld.scene import AGENT_COLOURS, Layout, held_out
from microworld.wording import brief, solution


@dataclass(frozen=True)
class Task:
    """A task in one layout. `text` is T, `solution` is D, `brief` D's motion alone; `program` carries both out."""

    instruction: Instruction
    text: str
    solution: str
    brief: str
    program: Program

    @property
    def family(self) -> str:
        return self.instruction.family

    @property
    def held_out(self) -> bool:
        return held_out(self.instruction.combination)


def build_task(layout: Layout, text: str) -> Task | None:
    """The task `text` in `layout`; None when it cannot be done there or is done already.

    Raises grammar.TaskNotUnderstood for a text outside the language or about things that are not there.
    """
    instruction = parse(text)
    steps = plan(layout, instruction)
    if steps is None:
        return None
    motion = program(layout, instruction, steps)
    d, short = (write(layout, instruction, steps) for write in (solution, brief))
    return Task(instruction, instruction.text, d, short, motion)


def instructions(layout: Layout) -> list[Instruction]:
    """Every instruction about the things of `layout`, possible or not, in a fixed order."""
    things = [thing.name for thing in layout.things if thing.kind != "stone"]
    names = [name for name in things if things.count(name) == 1]
    agents = [thing.name for thing in layout.agents if thing.name in names]
    landmarks = [thing.name for thing in layout.landmarks if thing.name in names]
    return [instruction for agent in agents for instruction in _of_agent(agent, agents, landmarks)]


def _of_agent(agent: str, agents: list[str], landmarks: list[str]) -> Iterator[Instruction]:
    others = [name for name in agents if name != agent]
    refs = landmarks + others
    goes = [Clause("go", (name,)) for name in landmarks]
    goes += [Clause("corner", (corner,)) for corner in CORNERS] + [Clause("edge", (edge,)) for edge in EDGES]
    stops = [Clause("beside", (side, ref)) for side in SIDES for ref in refs]
    stops += [Clause("between", (a, b)) for i, a in enumerate(refs) for b in refs[i + 1 :]]
    acts = [Clause("push", (other, landmark)) for other in others for landmark in landmarks]
    acts += [Clause("swap", (other,)) for other in others]
    turns = [Clause("turn", (colour,)) for colour in AGENT_COLOURS if colour != agent.split()[0]]
    for clause in goes + stops + acts + turns:
        yield Instruction(agent, (clause,))
    landings = goes[: len(landmarks) + len(CORNERS)]
    for first in landings:
        for then in landings + stops + turns:
            if then != first:
                yield Instruction(agent, (first, then))
    for first in turns:
        for then in goes[: len(landmarks)]:
            yield Instruction(agent, (first, then))


def sample_tasks(
    layout: Layout,
    rng: np.random.Generator,
    count: int,
    families: tuple[str, ...] = FAMILIES,
    unseen: bool | None = None,
) -> list[Task]:
    """Up to `count` different tasks of `layout`, the families in turn, fewer when the scene allows fewer.

    `unseen` keeps the held-out combinations only (True) or leaves them out (False). Same generator state, same tasks.
    Raises ValueError for an unknown family.
    """
    if set(families) - set(FAMILIES):
        raise ValueError(
            f"families {sorted(set(families) - set(FAMILIES))} are unknown; there are {', '.join(FAMILIES)}"
        )
    pool = instructions(layout)
    if unseen is not None:
        pool = [instruction for instruction in pool if held_out(instruction.combination) == unseen]
    order = rng.permutation(len(pool))
    queues = {family: _mixed([pool[i] for i in order if pool[i].family == family]) for family in families}
    turn = [families[i] for i in rng.permutation(len(families))]
    tasks: list[Task] = []
    while len(tasks) < count and any(queues.values()):
        for family in turn:
            task = _next_possible(layout, queues[family])
            if task is not None and len(tasks) < count:
                tasks.append(task)
    return tasks


def _mixed(pool: list[Instruction]) -> list[Instruction]:
    """`pool` with its verbs in turn: "stop beside" has many wordings, "push" few, and both shall be seen."""
    seen: Counter = Counter()
    ranks = []
    for instruction in pool:
        verbs = tuple(clause.verb for clause in instruction.clauses)
        ranks.append(seen[verbs])
        seen[verbs] += 1
    return [pool[i] for i in sorted(range(len(pool)), key=ranks.__getitem__)]


def _next_possible(layout: Layout, queue: list[Instruction]) -> Task | None:
    """Takes instructions off `queue` until one can be done; None when none can."""
    while queue:
        task = build_task(layout, queue.pop(0).text)
        if task is not None:
            return task
    return None
