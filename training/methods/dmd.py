"""Distribution-matching self-distillation (WMSD A.2.1), which the paper saw diverge: here to be seen."""

import torch
from torch import Tensor

from models.video.flow import check_straight, clean_prediction
from models.video.protocol import Condition
from models.video.seeds import seed_of
from training.methods.micro_batches import add_gradients
from training.methods.protocol import Given, Optimiser
from training.objectives.dmd import dmd_loss, fake_score_loss
from training.policies.predictor import States
from training.rollouts import plan, sample

LEVELS = (0.02, 0.98)  # noise levels at which the two scores are compared


class DistributionMatching:
    """One generator step (Eq. 21-22) and one step of the fake score (Eq. 18) at a time.

    The generator is the Executor's sampler, differentiated through its last model call only: a sampler step is drawn,
    the state there is taken as fixed, and x is the clean video predicted from it. The real score is the Demonstrator's
    under D, the fake one an adapter's that learns online what the Executor makes under T.
    """

    def __init__(self, given: Given):
        self.given, self.options, self.predictor = given, given.options, given.predictor
        check_straight(given.predictor.model, "method dmd")

    def step(self, number: int, optimiser: Optimiser) -> dict[str, float]:
        options, given, predictor, model = self.options, self.given, self.predictor, self.predictor.model
        found = given.contexts.of_step(number, given.places, self._no_prefix)
        executor, demonstrator = (found.conditions[role].to(model.device) for role in ("executor", "demonstrator"))
        rows = plan(options.run.seed, number, given.places, options.rollout.group)
        sums = {name: torch.zeros((), dtype=torch.float64) for name in ("dmd", "fake_score")}

        def field(x: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
            return predictor.velocity("executor", x, sigma, condition, counted="rollout")

        def losses(part: States) -> dict[str, Tensor]:
            tasks = rows.tasks[part.row]
            under, sigma = executor.take(tasks), level.expand(len(part))
            velocity = predictor.velocity("executor", part.x, part.sigma, under, grad=True)
            x = clean_prediction(part.x, velocity, part.sigma)
            noisy = model.noised(x.detach(), part.noise, sigma)
            fake = predictor.velocity("fake", noisy, sigma, under, grad=True)
            real = predictor.velocity(None, noisy, sigma, demonstrator.take(tasks), counted="teacher")
            generator = dmd_loss(x, noisy, fake, real, sigma, weight="dmd", mask=model.mask)
            score = fake_score_loss(fake, noisy, x, sigma, model.mask)
            for name, each in (("dmd", generator), ("fake_score", score)):
                sums[name] += each.detach().sum().cpu() / given.total
            return {"executor": generator, "fake": score}

        optimiser.zero()
        with given.stopping.phase():
            size = options.rollout.batch
            rollouts = sample(model, field, executor, rows, steps=options.rollout.steps, batch=size, keep=True)
            generator = torch.Generator().manual_seed(seed_of(options.run.seed, "dmd", number))
            at = int(torch.randint(options.rollout.steps, (1,), generator=generator))
            low, high = LEVELS
            level = torch.full((1,), low + (high - low) * float(torch.rand(1, generator=generator)))
            level = level.to(model.device)
            noise = model.noise([seed_of(seed, "dmd", number) for seed in rows.seeds])
            here = rollouts.sigmas[at].expand(len(rows))
            drawn = States(rollouts.states[at], here, torch.arange(len(rows)), noise=noise)
            add_gradients(predictor.policies, drawn, options.memory.batch, given.total, losses)
        return optimiser.step(["executor", "fake"], sums, {})

    @staticmethod
    def _no_prefix(condition: Condition, seeds) -> Tensor:
        raise ValueError("method dmd rolls out no prefix: give it contexts that are read, not rolled out")
