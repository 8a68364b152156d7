"""Supervised fine-tuning, the paper's baseline: flow matching on videos that a VLM labelled with tasks."""

import torch
from torch import Tensor

from models.video.flow import check_straight
from models.video.seeds import seed_of
from training.methods.micro_batches import add_gradients
from training.methods.protocol import Given, Optimiser
from training.methods.tasks import share_of_rank, tasks_of_step
from training.objectives.matching import flow_matching_loss
from training.policies.predictor import States

SHIFT = 3.0  # noise levels lean towards noise, where the motion is decided, as in the base's own training


class FineTuning:
    """L_FM (WMSD A.9) on `rollout.tasks` x `rollout.group` videos a step under their labels.

    Videos are shared out over processes; which ones, their noise and their levels depend on the seed and step alone.
    """

    def __init__(self, given: Given):
        self.given, self.options, self.predictor = given, given.options, given.predictor
        check_straight(given.predictor.model, "method sft")
        self.videos = [video_id for video_id, _ in given.store.videos()]

    def step(self, number: int, optimiser: Optimiser) -> dict[str, float]:
        model, given, size = self.predictor.model, self.given, self.options.memory.batch
        chosen = tasks_of_step(self.options.run.seed, number, given.total, len(self.videos))
        own = share_of_rank(given.total, given.world.rank, given.world.size)
        summed = torch.zeros((), dtype=torch.float64)
        optimiser.zero()
        with given.stopping.phase():
            for first in range(own.start, own.stop, size):
                places = range(first, min(first + size, own.stop))
                ids = [self.videos[chosen[place]] for place in places]
                condition = given.store.video_conditions(ids).to(model.device)

                def losses(part: States, condition=condition) -> dict[str, Tensor]:
                    prediction = self.predictor.velocity("executor", part.x, part.sigma, condition, grad=True)
                    target = model.target(part.x0, part.noise, part.x, part.sigma)
                    each = flow_matching_loss(prediction, target, model.mask)
                    summed.add_(each.detach().sum().cpu() / given.total)
                    return {"executor": each}

                add_gradients(self.predictor.policies, self.states(number, places, ids), size, given.total, losses)
        return optimiser.step(["executor"], {"flow_matching": summed}, {})

    def states(self, number: int, places: range, ids: list[str]) -> States:
        """The videos noised, one level each; read for these places alone, since all of a step may fill the memory."""
        model, seed = self.predictor.model, self.options.run.seed
        x0 = self.given.store.video_states(ids).to(model.device)
        noise = model.noise([seed_of(seed, "sft", number, place) for place in places])
        drawn = [seed_of(seed, "level", number, place) / 2**63 for place in places]
        level = torch.tensor(drawn, dtype=torch.float32, device=model.device)
        sigma = SHIFT * level / (1 + (SHIFT - 1) * level)
        return States(model.noised(x0, noise, sigma), sigma, torch.arange(len(places)), x0=x0, noise=noise)
