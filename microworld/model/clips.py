"""Clips for pre-training: pixels and captions, drawn in memory."""

from dataclasses import dataclass

import numpy as np

from microworld.families import sample_tasks
from microworld.model.build import FRAMES, SIZE
from microworld.model.captions import loose
from microworld.render import render_batch
from microworld.scene import sample_scene


@dataclass(frozen=True)
class Clips:
    """N clips: `pixels` uint8 [N, T, H, W, 3] RGB, and of each T, D, D's motion alone and the loose caption."""

    pixels: np.ndarray
    tasks: list[str]
    solutions: list[str]
    briefs: list[str]
    looses: list[str]

    def __len__(self) -> int:
        return len(self.tasks)

    def caption(self, index: int, rng: np.random.Generator, loose_share: float) -> str:
        """One of the clip's captions: `loose_share` loose ones, the rest halves of D and its motion alone."""
        draw = rng.random()
        if draw < loose_share:
            return self.looses[index]
        return (self.solutions if draw < loose_share + (1 - loose_share) / 2 else self.briefs)[index]


def draw_clips(count: int, rng: np.random.Generator) -> Clips:
    """`count` clips of seen combinations, two of a scene; scenes, tasks and backgrounds are all the generator's."""
    pixels, tasks = [], []
    while len(tasks) < count:
        scenes, found = [], []
        for _ in range(100):
            scene = sample_scene(rng)
            for task in sample_tasks(scene.layout, rng, 2, unseen=False):
                scenes.append(scene)
                found.append(task)
        pixels.append(render_batch(scenes, [task.program for task in found], FRAMES, SIZE))
        tasks += found
    tasks = tasks[:count]
    return Clips(
        np.concatenate(pixels)[:count],
        [task.text for task in tasks],
        [task.solution for task in tasks],
        [task.brief for task in tasks],
        [loose(task.brief) for task in tasks],
    )
