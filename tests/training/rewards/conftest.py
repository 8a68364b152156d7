"""Rollouts to judge."""

import numpy as np
import pytest

from microworld.families import sample_tasks
from microworld.render import render_batch
from microworld.scene import sample_scene


@pytest.fixture(scope="module")
def world():
    """Six microworld rollouts with their tasks: right ones, another task's, one that stands still."""
    rng = np.random.default_rng(3)
    videos, tasks = [], []
    while len(tasks) < 6:
        scene = sample_scene(rng)
        found = sample_tasks(scene.layout, rng, 2)
        if len(found) == 2:
            video = render_batch([scene], [found[len(tasks) % 3 == 1].program], 8, 32)[0]
            videos.append(video if len(tasks) != 4 else np.repeat(video[:1], 8, axis=0))
            tasks.append(found[0].text)
    return np.stack(videos), tasks
