"""Held-out tasks: fresh scenes, one task each, a marked share of combinations that training leaves out.

Training scores itself on them and evaluations take them as a benchmark: one seed gives both the same tasks, ids and
pictures.
"""

from dataclasses import dataclass

import numpy as np

from microworld.families import Task, sample_tasks
from microworld.render import render_scene
from microworld.scene import Scene, sample_scene

UNSEEN = "unseen-"  # how the ids of held-out combinations begin
SIZE = 256  # pixels
DRAW = 0x48454C44  # keeps these scenes apart from others of the same seed


@dataclass(frozen=True)
class HeldOutTask:
    """A task with its scene. `image_id` names the scene, `task_id` the pair of T and D."""

    image_id: str
    scene: Scene
    task: Task

    @property
    def task_id(self) -> str:
        return f"{self.image_id}-task"

    @property
    def picture(self) -> np.ndarray:
        """The first frame: uint8 [SIZE, SIZE, 3] RGB."""
        return render_scene(self.scene, SIZE)


def held_out_tasks(count: int, seed: int, unseen_share: float) -> list[HeldOutTask]:
    """`count` tasks, the families in turn; the last round(count x `unseen_share`) are held-out combinations.

    Task `n` follows from the seed, its number and whether it is of the unseen ones.
    """
    made, unseen_count = [], round(count * unseen_share)
    for number in range(count):
        unseen = number >= count - unseen_count
        attempt = 0
        while True:
            # Not every scene allows a held-out combination: the next one is drawn, from seeds of its own.
            rng = np.random.default_rng([seed, DRAW, number, attempt])
            scene = sample_scene(rng)
            tasks = sample_tasks(scene.layout, rng, 4, unseen=unseen)
            if tasks:
                break
            attempt += 1
        name = f"{UNSEEN if unseen else ''}microworld-{seed}-{number:05d}"
        made.append(HeldOutTask(name, scene, tasks[number % len(tasks)]))
    return made
