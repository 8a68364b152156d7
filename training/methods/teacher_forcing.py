"""Teacher forcing: a robot model's own training, on true chunks behind a true history, clean or with noise on it."""

import torch
from torch import Tensor

from models.video.protocol import Condition
from models.video.seeds import seed_of
from training.conditions.episodes import Episodes, Place
from training.methods.budget import true_chunks
from training.methods.micro_batches import add_gradients
from training.methods.protocol import Given, Optimiser
from training.methods.tasks import share_of_rank
from training.objectives.matching import denoising_loss
from training.policies.predictor import States


class TeacherForcing:
    """The denoising loss (training/objectives/matching.py) on true chunks. Which ones, their noise and their levels
    depend on the seed, the step and the place alone."""

    def __init__(self, given: Given):
        self.given, self.options, self.predictor = given, given.options, given.predictor
        self.episodes: Episodes = given.store
        self.usable = self.episodes.usable("train", 1)
        self.count = true_chunks(self.options)
        told = self.options.teacher_forcing
        self.history_noise = told.noisy_history if self.options.method == "noisy_history" else told.history_noise

    def step(self, number: int, optimiser: Optimiser) -> dict[str, float]:
        given, size = self.given, self.options.memory.batch
        own = share_of_rank(self.count, given.world.rank, given.world.size)
        summed = torch.zeros((), dtype=torch.float64)
        optimiser.zero()
        with given.stopping.phase():
            for first in range(own.start, own.stop, size):
                states, condition = self.drawn(number, range(first, min(first + size, own.stop)))

                def losses(part: States, condition: Condition = condition) -> dict[str, Tensor]:
                    prediction = self.predictor.velocity("executor", part.x, part.sigma, condition, grad=True)
                    each = denoising_loss(prediction, part.x, part.x0, part.sigma, self.predictor.model.mask)
                    summed.add_(each.detach().sum().cpu() / self.count)
                    return {"executor": each}

                add_gradients(self.predictor.policies, states, size, self.count, losses)
        return optimiser.step(["executor"], {"denoising_error": summed}, {})

    def place(self, step: int, place: int) -> Place:
        """A chunk of a training episode, as far into a rollout as PersistWorld's branches may be."""
        most = self.options.rollout.prefix.most
        return self.episodes.drawn(self.usable, 1, most, self.options.run.seed, "true chunk", step, place)

    def drawn(self, step: int, places: range) -> tuple[States, Condition]:
        """The states of some places of a step, and what they are conditioned on."""
        model, told, seed = self.predictor.model, self.options.teacher_forcing, self.options.run.seed
        chosen = [self.place(step, place) for place in places]
        x0, history, current = self.episodes.true_chunks(chosen)
        actions = self.episodes.actions(chosen)
        texts = [at.episode.text for at in chosen]
        unheard = torch.zeros(len(chosen), dtype=torch.bool)
        for i, place in enumerate(places):
            random = torch.Generator().manual_seed(seed_of(seed, "teacher forcing", step, place))
            noise, again, dropped = torch.rand(3, generator=random).tolist()
            unheard[i] = dropped < told.action_dropout
            if again < told.same_history:
                history[i] = current[i]
            if self.history_noise:
                sigma = self.history_noise * torch.randn(len(history[i]), 1, 1, 1, 1, generator=random)
                history[i] = noisy(history[i], sigma, random)
            if told.current_noise:
                current[i] = noisy(current[i], torch.tensor(noise * told.current_noise), random)
        condition = model.unheard(self.episodes.context(history, current, actions, texts), unheard)
        sigma = self.levels(step, places).to(model.device)
        x0, fresh = x0.to(model.device), model.noise([seed_of(seed, "noise", step, place) for place in places])
        return States(model.noised(x0, fresh, sigma), sigma, torch.arange(len(places)), x0=x0, noise=fresh), condition

    def levels(self, step: int, places: range) -> Tensor:
        """A noise level for each place, float32: ln sigma is normal, with the objective's mean and deviation."""
        objective = self.options.objective
        drawn = [seed_of(self.options.run.seed, "level", step, place) / 2**63 for place in places]
        share = torch.tensor(drawn, dtype=torch.float64).clamp(1e-6, 1 - 1e-6)
        return (objective.level_mean + objective.level_std * torch.special.ndtri(share)).exp().float()


def noisy(latents: Tensor, sigma: Tensor, random: torch.Generator) -> Tensor:
    """Latents with noise of size |sigma|, scaled back by 1 / sqrt(sigma^2 + 1) as in Ctrl-World's training."""
    return (latents + sigma * torch.randn(latents.shape, generator=random)) / (sigma.square() + 1).sqrt()
