"""Supervised fine-tuning, the paper's baseline: flow matching on videos that a VLM labelled with tasks."""

from typing import TYPE_CHECKING

import torch

from training.loop.optimise import optimise
from training.methods.tasks import seed_of, tasks_of_step
from training.objectives.matching import flow_matching_loss, renoise

if TYPE_CHECKING:
    from training.loop.trainer import Trainer

SHIFT = 3.0  # noise levels lean towards noise, where the motion is decided, as in the base's own training


def sft_step(trainer: "Trainer") -> dict[str, float]:
    """One step on `rollout.tasks` x `rollout.group` videos under their labels (L_FM of WMSD A.9); its metrics.

    Videos are shared out over processes; which ones, their noise and their levels depend on the seed and step alone.
    """
    options, model, predictor = trainer.options, trainer.model, trainer.predictor
    total = trainer.update.total
    chosen = tasks_of_step(options.run.seed, trainer.step, total, len(trainer.videos))
    share = total // trainer.world.size
    own = range(trainer.world.rank * share, (trainer.world.rank + 1) * share)
    summed = 0.0
    with trainer.stopping.phase():
        for first in range(own.start, own.stop, options.memory.batch):
            places = range(first, min(first + options.memory.batch, own.stop))
            ids = [trainer.videos[chosen[place]] for place in places]
            x0 = trainer.store.video_states(ids).to(model.device)
            condition = trainer.store.video_conditions(ids).to(model.device)
            noise = model.noise([seed_of(options.run.seed, "sft", trainer.step, place) for place in places])
            drawn = [seed_of(options.run.seed, "level", trainer.step, place) / 2**63 for place in places]
            level = torch.tensor(drawn, dtype=torch.float32, device=model.device)
            sigma = SHIFT * level / (1 + (SHIFT - 1) * level)
            x = renoise(x0, noise, sigma)
            prediction = predictor.velocity("executor", x, sigma, condition, grad=True)
            loss = flow_matching_loss(prediction, x0, noise, model.mask).sum() / total
            with trainer.policies.use("executor"):  # with checkpointing the backward pass computes forward again
                loss.backward()
            summed += float(loss.detach())
    return optimise(trainer, ["executor"], {"flow_matching": torch.tensor(summed)}, {})
