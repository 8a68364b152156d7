"""The update of released AWM and DiffusionNFT scripts, as their structure is described, on this project's losses.

For each micro-batch one noise level after the other: the policy with gradients, then the base and one further copy of
the policy (an EMA, or the old policy) whether or not their terms have a weight, one loss, one backward.
"""

from collections import defaultdict
from collections.abc import Callable

import torch
from training.methods.update import MEASURED, matching_states

from training.objectives.distillation import anchor_loss
from training.objectives.matching import velocity_kl
from training.policies.lora import Shadow
from training.policies.predictor import States


def released_update(trainer) -> Callable[..., dict]:
    """A stand-in for `Update.run` of this trainer with the same loss at the same tensors."""
    update, predictor, policies = trainer.update, trainer.predictor, trainer.policies
    options, model = trainer.options, trainer.model
    copy = trainer.trained["executor"].shadows.get("old") or Shadow(policies.parameters("executor"))

    def one_level(part: States, weight: float, rollouts, advantages, learner) -> None:
        sums: dict = defaultdict(lambda: torch.zeros((), dtype=torch.float64))
        condition = learner.conditions.take(rollouts.plan.tasks[part.row])
        with policies.use("executor"):
            prediction = predictor.velocity("executor", part.x, part.sigma, condition, grad=True)
        reference = predictor.velocity(None, part.x, part.sigma, condition)
        if advantages is not None:
            loss = update._policy_loss(part, prediction, rollouts, advantages, learner, condition, sums) * weight
            penalty = velocity_kl(prediction, reference, model.mask)
            if options.objective.kind == "awm":  # DiffusionNFT's further copy is the old policy, asked by its loss
                other = predictor.velocity("executor", part.x, part.sigma, condition, shadow=copy)
                penalty = penalty + velocity_kl(prediction, other, model.mask)
            loss = loss + 0.0 * penalty
        else:
            loss = options.distill.beta_d * weight * anchor_loss(prediction, part.teacher, model.mask)
        with policies.use("executor"):
            (loss.sum() / update.total).backward()

    def measured(plan) -> list[str]:
        return [MEASURED[options.objective.kind]] * plan.rl + ["anchor"] * plan.anchor

    def run(step, plan, rollouts, advantages, learner, teacher, known) -> dict:
        used, count = advantages.nonzero().flatten(), options.objective.timesteps
        states = matching_states(model, rollouts, used, options.objective, options.run.seed, step)
        for first in range(0, len(used), options.memory.batch):
            for level in range(count):
                at = range(level * len(used) + first, level * len(used) + min(first + options.memory.batch, len(used)))
                one_level(rows(states, at), 1 / count, rollouts, advantages, learner)
        if known is not None and plan.anchor:
            videos, count = len(rollouts.plan), len(known) // len(rollouts.plan)
            for level in range(count):
                part = rows(known, range(level * videos, (level + 1) * videos))
                one_level(part, update._anchor_weight(part, rollouts, count), rollouts, None, learner)
        return {name: torch.zeros((), dtype=torch.float64) for name in measured(plan)}

    return run


def rows(states: States, at: range) -> States:
    span = slice(at.start, at.stop)
    return States(*(None if part is None else part[span] for part in vars(states).values()))
