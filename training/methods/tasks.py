"""Which tasks a step trains on, and which process works on them: the same tasks for any number of processes."""

import numpy as np

from models.video.seeds import seed_of


def tasks_of_step(seed: int, step: int, count: int, pairs: int) -> list[int]:
    """Indices of the `count` pairs of a step (counted from 1): epochs of all `pairs`, each in an order of its own.

    Raises ValueError when there are no pairs.
    """
    if pairs < 1:
        raise ValueError("there are 0 task-solution pairs: training needs at least one")
    chosen, first = [], (step - 1) * count
    while len(chosen) < count:
        epoch, at = divmod(first + len(chosen), pairs)
        order = np.random.default_rng(seed_of(seed, "epoch", epoch)).permutation(pairs)
        chosen += order[at : at + count - len(chosen)].tolist()
    return chosen


def share_of_rank(tasks: int, rank: int, world: int) -> range:
    """The places of a step's tasks that a process works on: whole groups, in order.

    Raises ValueError when the tasks cannot be shared out evenly.
    """
    if tasks % world:
        raise ValueError(f"rollout.tasks {tasks} do not divide among {world} processes: use a multiple of {world}")
    each = tasks // world
    return range(rank * each, (rank + 1) * each)
