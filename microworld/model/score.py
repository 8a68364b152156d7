"""Scores of a model of the microworld on held-out tasks, under T and under D, by the exact judge."""

from pathlib import Path

import numpy as np
import torch

from microworld.exact_judge import ANSWERED, judge
from microworld.families import sample_tasks
from microworld.model.parts import FRAMES, MAX_TOKENS, SIZE
from microworld.render import render_batch
from microworld.scene import sample_scene
from models.video.build_video_model import build_video_model
from models.video.options import VideoModelOptions
from models.video.sampling import ode

STEPS, FPS = 8, 4.0


def options_of(folder: Path) -> VideoModelOptions:
    """What every caller says about a model in this form."""
    return VideoModelOptions(
        kind="wan",
        path=str(folder),
        frames=FRAMES,
        height=SIZE,
        width=SIZE,
        fps=FPS,
        dtype="float32",
        max_prompt_tokens=MAX_TOKENS,
        vae_batch=64,
    )


@torch.no_grad()
def score_model(folder: Path, count: int, seed: int) -> dict[str, dict[str, float]]:
    """Shares of success by question (task, agent, consistency), under "T" and under "D", on `count` fresh tasks."""
    rng = np.random.default_rng([seed, 7])
    scenes = [sample_scene(rng) for _ in range(count)]
    tasks = [sample_tasks(scene.layout, rng, 1)[0] for scene in scenes]
    first = torch.from_numpy(render_batch(scenes, [task.program for task in tasks], FRAMES, SIZE)[:, 0])
    model = build_video_model(options_of(folder))
    sigmas, found = model.sigmas(STEPS), {}
    for prompt, texts in {"T": [t.text for t in tasks], "D": [t.solution for t in tasks]}.items():
        verdicts = []
        for at in range(0, count, 32):
            span = slice(at, at + 32)
            condition = model.encode_image(first[span]) | model.encode_prompt(texts[span])
            start = model.start(model.noise(range(at, at + len(first[span]))), condition)
            clean = ode(lambda x, sigma, c=condition: model.velocity(x, sigma, c), start, sigmas).clean
            videos = model.decode(clean).numpy()
            verdicts += [judge(video, task.text) for video, task in zip(videos, tasks[span], strict=True)]
        found[prompt] = {
            question: float(np.mean([getattr(verdict, question) > 0 for verdict in verdicts])) for question in ANSWERED
        }
    return found
