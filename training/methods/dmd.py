"""Distribution-matching self-distillation (WMSD A.2.1), which the paper saw diverge: here to be seen."""

from typing import TYPE_CHECKING

import torch

from training.loop.optimise import optimise
from training.methods.rollout import plan, sample
from training.methods.tasks import seed_of
from training.objectives.dmd import dmd_loss, fake_score_loss
from training.objectives.matching import clean_prediction, renoise

if TYPE_CHECKING:
    from training.loop.trainer import Trainer


def dmd_step(trainer: "Trainer") -> dict[str, float]:
    """One generator step (Eq. 21-22) and one step of the fake score (Eq. 18); their metrics.

    The generator is the Executor's sampler, differentiated through its last model call only: a sampler step is drawn,
    the state there is taken as fixed, and x is the clean video predicted from it. The real score is the Demonstrator's
    under D, the fake one an adapter's that learns online what the Executor makes under T.
    """
    options, model, predictor = trainer.options, trainer.model, trainer.predictor
    pairs = [trainer.pairs[i] for i in trainer.tasks()]
    executor = trainer.store.executor(pairs).to(model.device)
    demonstrator = trainer.store.demonstrator(pairs).to(model.device)
    rows = plan(options.run.seed, trainer.step, trainer.places, options.rollout.group)

    def field(x, sigma, condition):
        return predictor.velocity("executor", x, sigma, condition, counted="rollout")

    total, sums = trainer.update.total, {"dmd": 0.0, "fake_score": 0.0}
    with trainer.stopping.phase():
        rollouts = sample(
            model, field, executor, rows, steps=options.rollout.steps, batch=options.rollout.batch, keep=True
        )
        generator = torch.Generator().manual_seed(seed_of(options.run.seed, "dmd", trainer.step))
        at = int(torch.randint(options.rollout.steps, (1,), generator=generator))
        level = 0.02 + 0.96 * float(torch.rand(1, generator=generator))
        noise = model.noise([seed_of(seed, "dmd", trainer.step) for seed in rows.seeds])
        for first in range(0, len(rows), options.memory.batch):
            span = slice(first, first + options.memory.batch)
            tasks = rows.tasks[span]
            start, here = rollouts.states[at, span], rollouts.sigmas[at].expand(len(tasks))
            sigma = torch.full((len(tasks),), level, device=model.device)
            under = executor.take(tasks)
            velocity = predictor.velocity("executor", start, here, under, grad=True)
            x = clean_prediction(start, velocity, here)
            noisy = renoise(x.detach(), noise[span], sigma)
            fake = predictor.velocity("fake", noisy, sigma, under, grad=True)
            real = predictor.velocity(None, noisy, sigma, demonstrator.take(tasks), counted="teacher")
            loss = dmd_loss(x, noisy, fake, real, sigma, weight="dmd", mask=model.mask).sum() / total
            score = fake_score_loss(fake, noisy, x, sigma, model.mask).sum() / total
            # Under the adapter of each: with checkpointing the backward pass computes forward again.
            with trainer.policies.use("executor"):
                loss.backward()
            with trainer.policies.use("fake"):
                score.backward()
            sums["dmd"] += float(loss.detach())
            sums["fake_score"] += float(score.detach())
    sums = {name: torch.tensor(value) for name, value in sums.items()}
    return optimise(trainer, ["executor", "fake"], sums, {})
