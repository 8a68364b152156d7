"""Held-out tasks: a benchmark's, or fresh ones of the microworld."""

from collections.abc import Sequence

import numpy as np

from assets.conditions.options import HeldOutOptions
from microworld.families import sample_tasks
from microworld.grammar import TaskNotUnderstood, parse
from microworld.render import render_scene
from microworld.scene import Scene, held_out, sample_scene
from training.condition_store import Pair

UNSEEN = "unseen-"  # how the ids of held-out combinations begin
SIZE = 256  # pixels


def from_bench(pairs: Sequence[Pair], options: HeldOutOptions) -> list[Pair]:
    """Up to `options.tasks` of a benchmark's pairs, in its order; the seed chooses where there are more."""
    if len(pairs) <= options.tasks:
        return list(pairs)
    chosen = np.random.default_rng(options.seed).permutation(len(pairs))[: options.tasks]
    return [pairs[i] for i in sorted(chosen)]


def from_microworld(options: HeldOutOptions) -> tuple[list[Pair], dict[str, Scene]]:
    """Fresh tasks, one a scene, and the scenes by image id; a share are combinations that training leaves out.

    The families come in turn. Task `n` follows from the seed and its number alone.
    """
    pairs, scenes = [], {}
    unseen_count = round(options.tasks * options.unseen_share)
    for number in range(options.tasks):
        unseen = number >= options.tasks - unseen_count
        attempt = 0
        while True:
            # Not every scene allows a held-out combination: the next one is drawn, from seeds of its own.
            rng = np.random.default_rng([options.seed, 0x48454C44, number, attempt])
            scene = sample_scene(rng)
            tasks = sample_tasks(scene.layout, rng, 4, unseen=unseen)
            if tasks:
                break
            attempt += 1
        task = tasks[number % len(tasks)]
        name = f"{UNSEEN if unseen else ''}microworld-{options.seed}-{number:05d}"
        pairs.append(
            Pair(f"{name}-task", name, task.text, task.solution, task.family, "object", task.instruction.agent)
        )
        scenes[name] = scene
    return pairs, scenes


def picture(scene: Scene) -> np.ndarray:
    """The first frame: uint8 [H, W, 3] RGB."""
    return render_scene(scene, SIZE)


def seen_only(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs whose combination is not one of the microworld's held-out ones; texts it does not know stay."""
    return [pair for pair in pairs if not _held_out(pair.task)]


def _held_out(task: str) -> bool:
    try:
        return held_out(parse(task).combination)
    except TaskNotUnderstood:
        return False
