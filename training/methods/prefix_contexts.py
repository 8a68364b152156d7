"""A robot's contexts: a prefix rolled out once a group, which all of its branches share (PersistWorld Algorithm 1)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.video.protocol import Condition
from models.video.seeds import seed_of
from training.conditions.episodes import Episodes, Place
from training.methods.contexts import Context, Roll
from training.options.robots import RobotTrainOptions


@dataclass(frozen=True)
class Truth:
    """What is known of a group: its place; the latents of its own rollout so far, [unique frames, V, C, h, w]; and the
    true frames of the branches' chunks, uint8 [F, frames, V, H, W, 3]."""

    place: Place
    past: Tensor
    frames: Tensor


class PrefixContexts:
    """Contexts (training/methods/contexts.py) of random chunks of the training episodes."""

    def __init__(self, episodes: Episodes, options: RobotTrainOptions):
        self.episodes, self.options = episodes, options
        self.usable = episodes.usable("train", options.rollout.chunks)

    def of_step(self, step: int, places: Sequence[int], roll: Roll) -> Context:
        chosen = [self.place(step, place) for place in places]
        pasts = self.rolled(step, places, chosen, roll)
        parts = [self.episodes.condition([at], past[None]) for at, past in zip(chosen, pasts, strict=True)]
        branch = self.options.rollout.chunks
        truths = tuple(Truth(at, past, self.episodes.truth(at, branch)) for at, past in zip(chosen, pasts, strict=True))
        texts = tuple(at.episode.text for at in chosen)
        return Context({"executor": Condition.cat(parts)}, texts, truths)

    def place(self, step: int, place: int) -> Place:
        """The chunk that the group at `place` of a step branches at: a function of the run's seed, step and place."""
        prefix, seed = self.options.rollout.prefix, self.options.run.seed
        most, branch = prefix.most, self.options.rollout.chunks
        if prefix.kind == "growing":
            most = min(most, math.floor((most + 1) * step / (prefix.growth * self.options.run.steps)))
        found = self.episodes.drawn(self.usable, branch, most, seed, "prefix", step, place)
        if prefix.kind == "fixed":
            longest = min(most, self.episodes.chunks_of(found.episode) - branch)
            starts = self.episodes.timing.starts(found.episode.n_rows, longest + branch)
            return Place(found.episode, starts[seed_of(seed, "start", step, place) % len(starts)], longest)
        return found

    def rolled(self, step: int, places: Sequence[int], chosen: Sequence[Place], roll: Roll) -> list[Tensor]:
        """Each group's latents so far: its first true frame, then what the policy made of the prefix's chunks, all
        groups side by side that are not at their place yet."""
        pasts = [self.episodes.latents(at.episode, [at.start]).to(self.episodes.model.device) for at in chosen]
        for chunk in range(max((at.chunk for at in chosen), default=0)):
            going = [i for i, at in enumerate(chosen) if at.chunk > chunk]
            here = [replace(chosen[i], chunk=chunk) for i in going]
            condition = self.episodes.condition(here, torch.stack([pasts[i] for i in going]))
            seeds = [seed_of(self.options.run.seed, "prefix", step, places[i], chunk) for i in going]
            made = self.episodes.model.unstack(roll(condition, seeds))
            for i, frames in zip(going, made, strict=True):
                pasts[i] = torch.cat([pasts[i], frames[1:]])
        return pasts
