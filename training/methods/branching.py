"""PersistWorld's step: branches of a shared prefix, ranked against the true frames, trained by NFT (Algorithm 1)."""

from dataclasses import replace

import torch
from torch import Tensor

from models.video.protocol import Condition
from models.video.seeds import seed_of
from training.methods.asking import Asking
from training.methods.contexts import Context
from training.methods.policy import RolloutMethod
from training.methods.rounds import Round
from training.rewards.protocol import Sampled
from training.rollouts import Plan, Rollouts, plan, sample


class Branching(RolloutMethod):
    """A RolloutMethod whose rollouts are branches of one chunk or more. Each chunk is a state of its own to learn from,
    behind the history that its own branch has made; all chunks of a branch share its rewards."""

    def rolled_out(
        self, number: int, part: Round, asked: Asking, context: Context
    ) -> tuple[Rollouts, dict[str, list], Context]:
        if self.options.rollout.chunks == 1:
            return super().rolled_out(number, part, asked, context)
        rollout, episodes = self.options.rollout, self.given.store
        branches, chunks = plan(self.options.run.seed, number, self.given.places, rollout.group), rollout.chunks
        groups = branches.tasks.tolist()
        truths = [context.truths[group] for group in groups]
        pasts = [truth.past for truth in truths]
        cleans: list[Tensor] = []
        conditions: list[list[Condition]] = []
        for chunk in range(chunks):
            here = [replace(truth.place, chunk=truth.place.chunk + chunk) for truth in truths]
            own = [episodes.condition([at], past[None]) for at, past in zip(here, pasts, strict=True)]
            seeds = tuple(seed_of(seed, "chunk", chunk) for seed in branches.seeds)
            rows = Plan(torch.arange(len(own)), branches.groups, seeds)
            under = Condition.cat(own)
            made = sample(
                self.model, self.field(part), under, rows, steps=rollout.steps, batch=rollout.batch, keep=False
            )
            frames = self.model.unstack(made.clean)
            pasts = [torch.cat([past, new[1:]]) for past, new in zip(pasts, frames, strict=True)]
            cleans.append(made.clean)
            conditions.append(own)
        flat = [conditions[chunk][branch] for branch in range(len(groups)) for chunk in range(chunks)]
        seeds = tuple(seed_of(seed, "chunk", chunk) for seed in branches.seeds for chunk in range(chunks))
        rows = Plan(torch.arange(len(flat)), branches.groups.repeat_interleave(chunks), seeds)
        rollouts = Rollouts(rows, torch.stack(cleans, dim=1).flatten(0, 1), made.sigmas)
        self.check_finite(number, part, rollouts)
        return rollouts, self.shown(part, rollouts, truths), Context({part.rollouts: Condition.cat(flat)}, ("",))

    def shown(self, part: Round, rollouts: Rollouts, truths: list) -> dict[str, list]:
        """What the round's scorers work on: some whole branches at a time."""
        chunks, size = self.options.rollout.chunks, self.options.rollout.batch
        pending: dict[str, list] = {name: [] for name in part.scorers}
        for first in range(0, len(truths), size):
            some = truths[first : first + size]
            span = slice(first * chunks, (first + len(some)) * chunks)
            batch = Sampled(span, rollouts.clean[span], ("",) * len(some), tuple(some), self.model.decode)
            for name, waiting in pending.items():
                if (one := self.given.scorers[name].submit(batch)) is not None:
                    waiting.append(one)
        return pending
