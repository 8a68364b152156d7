"""Held-out tasks as pairs: a benchmark's, or fresh ones of the microworld."""

from collections.abc import Sequence

import numpy as np

from microworld.grammar import TaskNotUnderstood, parse
from microworld.held_out import HeldOutTask, held_out_tasks
from microworld.scene import held_out
from training.conditions.options import HeldOutOptions
from training.conditions.store import Pair


def from_bench(pairs: Sequence[Pair], options: HeldOutOptions) -> list[Pair]:
    """Up to `options.tasks` of a benchmark's pairs, in its order; the seed chooses where there are more."""
    if len(pairs) <= options.tasks:
        return list(pairs)
    chosen = np.random.default_rng(options.seed).permutation(len(pairs))[: options.tasks]
    return [pairs[i] for i in sorted(chosen)]


def from_microworld(options: HeldOutOptions) -> tuple[list[Pair], dict[str, HeldOutTask]]:
    """The microworld's held-out tasks, one a scene, and the same by image id."""
    made = held_out_tasks(options.tasks, options.seed, options.unseen_share)
    pairs = [
        Pair(
            one.task_id,
            one.image_id,
            one.task.text,
            one.task.solution,
            one.task.family,
            "object",
            one.task.instruction.agent,
        )
        for one in made
    ]
    return pairs, {one.image_id: one for one in made}


def seen_only(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs whose combination is not one of the microworld's held-out ones; texts it does not know stay."""
    return [pair for pair in pairs if not is_held_out(pair.task)]


def is_held_out(task: str) -> bool:
    """Whether a task's combination is one of the microworld's held-out ones; a text that it does not know is not."""
    try:
        return held_out(parse(task).combination)
    except TaskNotUnderstood:
        return False
