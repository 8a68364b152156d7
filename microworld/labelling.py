"""What a video shows being done, as a task T: the judge's questions asked the other way round.

The things of the first frame are followed once; then every instruction about them is held against what they did. An
instruction fits when the judge would say yes to all three questions.
"""

from collections.abc import Sequence

import numpy as np

from microworld.exact_judge import STIRRED, assess
from microworld.families import instructions
from microworld.grammar import Instruction
from microworld.tracking import Tracks, Untraceable, track

# Of verbs that fit equally well, the one that says most about the end; every corner lies on two edges.
PREFERENCE = ("push", "swap", "go", "turn", "beside", "between", "corner", "edge")
WHOLE = ("push", "swap")  # verbs whose way bends by itself
DETOUR = 1.5  # times the straight way; one right-angled turn makes at most 1.42
SURE_ENOUGH = 1.0  # log-odds that each of the judge's answers must reach


def label_video(frames: Sequence[np.ndarray]) -> str:
    """T for a video (uint8 [T, H, W, 3] RGB, T >= 2); "" when nothing of the microworld acts in it, or no goal is met.

    One action is preferred, unless an agent clearly did two in a row. Raises ValueError for
    fewer than two frames.
    """
    if len(frames) < 2:
        raise ValueError(f"{len(frames)} frames: a video needs at least 2")
    try:
        tracks = track(frames)
    except Untraceable:
        return ""
    actors = _actors(tracks)
    if not actors:
        return ""
    possible = [one for one in instructions(tracks.layout) if one.agent in actors]
    single = _best(tracks, possible, 1)
    if single is not None and (single.clauses[0].verb in WHOLE or not _detour(tracks)):
        return single.text
    found = _best(tracks, possible, 2) or single
    return "" if found is None else found.text


def _best(tracks: Tracks, possible: Sequence[Instruction], clauses: int) -> Instruction | None:
    """The fitting instruction of so many actions that says most; None when none fits."""
    fitting = [
        (*(PREFERENCE.index(clause.verb) for clause in one.clauses), -value, one.text, one)
        for one in possible
        if len(one.clauses) == clauses and (value := _certainty(tracks, one)) >= SURE_ENOUGH
    ]
    return min(fitting, key=lambda row: row[:-1])[-1] if fitting else None


def _detour(tracks: Tracks) -> bool:
    """Whether an agent went clearly further than to its end, or moved and turned: then it did two things."""
    steps = np.hypot(*np.diff(tracks.positions, axis=0).transpose(2, 0, 1)).sum(axis=0)
    away = np.hypot(*(tracks.positions[-1] - tracks.positions[0]).T)
    return any(
        steps[i] > DETOUR * away[i] + STIRRED or (away[i] > STIRRED and tracks.colours[-1][i] != thing.colour)
        for i, thing in enumerate(tracks.layout.things)
        if thing.kind == "agent"
    )


def _actors(tracks: Tracks) -> set[str]:
    """The names of the agents that moved or changed colour."""
    moved = np.hypot(*(tracks.positions - tracks.positions[0]).transpose(2, 0, 1)).max(axis=0)
    return {
        thing.name
        for i, thing in enumerate(tracks.layout.things)
        if thing.kind == "agent" and (moved[i] > STIRRED or tracks.colours[-1][i] != thing.colour)
    }


def _certainty(tracks: Tracks, instruction: Instruction) -> float:
    verdict = assess(tracks, instruction.text)
    return min(verdict.task, verdict.agent, verdict.consistency)
