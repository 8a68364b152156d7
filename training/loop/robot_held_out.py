"""What a robot's training is measured by: closed-loop rollouts of held-out episodes, and the action-shuffle gap."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from evaluation.rollouts.closed_loop import Start, starts_of
from evaluation.rollouts.evaluate import evaluate
from evaluation.rollouts.records import RolloutRecord, RolloutSet
from models.video.protocol import Condition
from models.video.seeds import seed_of
from stats.bootstrap import resampled_means, spread
from training.conditions.episodes import Episodes, Place
from training.loop.evaluation import Interrupted
from training.objectives.matching import denoising_loss
from training.options.robots import RobotTrainOptions
from training.policies.lora import Shadow
from training.policies.predictor import Predictor
from training.world import World

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)  # quantiles of the training levels at which the gap is measured


@dataclass(frozen=True)
class Arm:
    """Whose rollouts: a policy (None: the base), itself or an average of it."""

    name: str
    policy: str | None = None
    shadow: Shadow | None = None


@dataclass(frozen=True)
class Gap:
    """The action-shuffle gap: the denoising loss under another episode's actions less that under the right ones, a mean
    over chunks with its 95 % interval over episodes (NaN: unknown)."""

    right: float
    shuffled: float
    mean: float
    low: float
    high: float

    @property
    def follows(self) -> bool:
        """Whether the model follows actions: the interval lies above 0."""
        return self.low > 0

    @property
    def sentence(self) -> str:
        told = f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}] on a loss of {self.right:.4f}"
        if self.follows:
            return f"action-shuffle gap {told}: the model follows actions"
        return f"THE MODEL DOES NOT FOLLOW ACTIONS: the interval of its action-shuffle gap {told} does not lie above 0"


class RobotHeldOut:
    """Held-out episodes of a run, one rollout each; shared out over processes, the same results on all of them."""

    def __init__(
        self,
        options: RobotTrainOptions,
        predictor: Predictor,
        episodes: Episodes,
        world: World,
        asked_to_stop: Callable[[], int] = lambda: 0,
        split: str = "val",
    ):
        self.options, self.predictor, self.episodes, self.world = options, predictor, episodes, world
        self.asked_to_stop = asked_to_stop
        self.split, told = split, options.held_out
        usable = episodes.usable(split, told.chunks)
        count = min(told.episodes if split == "val" else told.test_episodes, len(usable))
        chosen = [usable[(2 * place + 1) * len(usable) // (2 * count)] for place in range(count)]
        self.starts = starts_of(chosen, episodes.timing, told.chunks)

    @property
    def own(self) -> list[int]:
        """The starts of this process: as many on each, the first ones twice where they do not divide."""
        each = -(-len(self.starts) // self.world.size)
        return [(self.world.rank + place * self.world.size) % len(self.starts) for place in range(each)]

    def rolled(self, arm: Arm) -> RolloutSet:
        """The arm's rollouts with their scores. Raises Interrupted on every process when one was asked to end."""
        made, told = [], self.options.held_out
        own = [self.starts[at] for at in self.own]
        for first in range(0, len(own), told.batch):
            if self.asked_to_stop():
                break
            made.append(self._some(arm, own[first : first + told.batch]))
        names, shape = made[0].metrics if made else (), (told.chunks, len(self.episodes.store.views))
        count = len(self.options.rewards.metrics.names)
        table = torch.full((len(own), count, *shape), torch.nan, dtype=torch.float64)
        for at, one in enumerate(one for part in made for one in part.rollouts):
            table[at] = torch.from_numpy(np.stack([one.curve(name) for name in names]))
        tables = self._gathered(table)
        if not made:
            raise Interrupted(self.asked_to_stop())
        records = []
        for place, start in enumerate(self.starts):
            rank, at = place % self.world.size, place // self.world.size
            values = tables[rank, at].tolist()
            scores = {name: _without_nan(of) for name, of in zip(names, values, strict=True)}
            records.append(RolloutRecord(episode_id=start.episode_id, row=start.row, scores=scores))
        return made[0].model_copy(update={"rollouts": tuple(records)})

    def _some(self, arm: Arm, starts: list[Start]) -> RolloutSet:
        told = self.options.held_out
        return evaluate(
            arm.name,
            self.predictor.model,
            self.episodes.store,
            starts,
            told.chunks,
            self.episodes.timing,
            seed=told.seed,
            steps=told.steps,
            batch=told.batch,
            metrics=self.options.rewards.metrics,
            velocity=self._field(arm),
            identity=arm.name,
            device=str(self.predictor.model.device),
        )

    def _field(self, arm: Arm):
        def velocity(x: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
            return self.predictor.velocity(arm.policy, x, sigma, condition, shadow=arm.shadow, counted="held-out")

        return velocity

    def gap(self, arm: Arm) -> Gap:
        """The action-shuffle gap on the held-out episodes, a true chunk each, at the same noise with both actions."""
        own = self.own
        right = self._gathered(self._losses(arm, own, 0)).flatten(0, 1)
        wrong = self._gathered(self._losses(arm, own, 1)).flatten(0, 1)
        places = [place % self.world.size * len(own) + place // self.world.size for place in range(len(self.starts))]
        ours, theirs = right[places].numpy(), wrong[places].numpy()
        apart = (theirs - ours)[:, None]
        low, high = spread(resampled_means(apart, np.ones_like(apart))[:, 0])
        return Gap(float(ours.mean()), float(theirs.mean()), float(apart.mean()), low, high)

    def _losses(self, arm: Arm, own: list[int], apart: int) -> Tensor:
        """Losses float64 [len(own)], means over levels, with the actions of the episode `apart` places on."""
        model, objective, told = self.predictor.model, self.options.objective, self.options.held_out
        field, size, found = self._field(arm), told.batch, []
        normal = torch.special.ndtri(torch.tensor(LEVELS, dtype=torch.float64))
        sigmas = (objective.level_mean + objective.level_std * normal).exp().float().clamp(max=model.sigma_max)
        for first in range(0, len(own), size):
            part = own[first : first + size]
            places = [self._place(at) for at in part]
            givers = [
                replace(self._place(at + apart), chunk=place.chunk) for at, place in zip(part, places, strict=True)
            ]
            x0, history, current = self.episodes.true_chunks(places)
            actions = self.episodes.actions(givers)
            condition = self.episodes.context(history, current, actions, [place.episode.text for place in places])
            noise = model.noise([seed_of(told.seed, "gap", self.starts[at].episode_id) for at in part])
            x0, losses = x0.to(model.device), []
            for sigma in sigmas:
                level = sigma.expand(len(part)).to(model.device)
                x = model.noised(x0, noise, level)
                losses.append(denoising_loss(field(x, level, condition), x, x0, level, model.mask).cpu())
            found.append(torch.stack(losses).mean(0))
        return torch.cat(found)

    def _place(self, at: int) -> Place:
        start = self.starts[at % len(self.starts)]
        return Place(self.episodes.store.episode(start.episode_id), start.row, at % self.options.held_out.chunks)

    def _gathered(self, table: Tensor) -> Tensor:
        """[world, n, ...] of every process's table. Raises Interrupted when one was asked to end."""
        device = self.predictor.model.device
        asked = torch.tensor([float(self.asked_to_stop())], dtype=torch.float64)
        tables = self.world.gather(table.to(device)).cpu().unflatten(0, (self.world.size, len(table)))
        if signal := int(self.world.gather(asked.to(device)).max()):
            raise Interrupted(signal)
        return tables


def _without_nan(values: list) -> tuple:
    return tuple(tuple(None if value != value else value for value in row) for row in values)
