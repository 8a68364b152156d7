"""Clips for pre-training: pixels and captions, drawn in memory."""

from dataclasses import dataclass

import numpy as np

from microworld.families import sample_tasks
from microworld.model.captions import loose, terse
from microworld.model.parts import FRAMES, SIZE
from microworld.motion import slowed
from microworld.render import render_batch
from microworld.scene import sample_scene

PACES = (0.2, 0.6)  # of an unfinished clip: the clip ends with a fifth to nine tenths of one movement done


@dataclass(frozen=True)
class Clips:
    """N clips: `pixels` uint8 [N, T, H, W, 3] RGB, and of each T, D, brief D, the loose and the terse caption."""

    pixels: np.ndarray
    tasks: list[str]
    solutions: list[str]
    briefs: list[str]
    looses: list[str]
    terses: list[str]

    def __len__(self) -> int:
        return len(self.tasks)

    def caption(self, index: int, rng: np.random.Generator, loose_share: float, terse: bool = True) -> str:
        """One of the clip's captions: a `loose_share` of loose and terse ones, the rest D and brief D, halves each.

        Without `terse`, loose ones stand for terse ones.
        """
        vague = (self.looses, self.terses if terse else self.looses)
        pair = vague if rng.random() < loose_share else (self.solutions, self.briefs)
        return pair[rng.integers(2)][index]


def draw_clips(count: int, rng: np.random.Generator, unfinished_share: float = 0.0) -> Clips:
    """`count` clips of seen combinations, two of a scene; scenes, tasks and backgrounds are all the generator's.

    A share of them ends before the thing is done, as filmed clips do; their captions still tell what was meant.
    """
    pixels, tasks = [], []
    while len(tasks) < count:
        scenes, found = [], []
        for _ in range(100):
            scene = sample_scene(rng)
            for task in sample_tasks(scene.layout, rng, 2, unseen=False):
                scenes.append(scene)
                found.append(task)
        unfinished = rng.random(len(found)) < unfinished_share if unfinished_share else np.zeros(len(found), bool)
        shown = [
            slowed(t.program, rng.uniform(*PACES)) if u else t.program for t, u in zip(found, unfinished, strict=True)
        ]
        pixels.append(render_batch(scenes, shown, FRAMES, SIZE))
        tasks += found
    tasks = tasks[:count]
    return Clips(
        np.concatenate(pixels)[:count],
        [task.text for task in tasks],
        [task.solution for task in tasks],
        [task.brief for task in tasks],
        [loose(task.brief) for task in tasks],
        [terse(task.text) for task in tasks],
    )
