"""The update of released AWM and DiffusionNFT scripts, as their structure is described, on this project's losses.

For each micro-batch one noise level after the other: the policy with gradients, then the base and one further copy of
the policy (an EMA, or the old policy) whether or not their terms have a weight, one loss, one backward.
"""

from collections.abc import Callable

from training.methods.losses import RoundLosses
from training.methods.states import matching_states
from training.objectives.matching import velocity_kl
from training.policies.lora import Shadow
from training.policies.predictor import States


def released_update(trainer) -> Callable[..., None]:
    """A stand-in for `RolloutMethod.gradients` of this trainer with the same loss at the same tensors."""
    predictor, policies, total = trainer.predictor, trainer.policies, trainer.method.given.total
    options, model = trainer.options, trainer.model
    copy = trainer.state.learners["executor"].shadows.get("old") or Shadow(policies.parameters("executor"))

    def one_level(part: States, count: int, losses: RoundLosses, advantages) -> None:
        condition = losses.learner.conditions.take(losses.rollouts.plan.tasks[part.row])
        with policies.use("executor"):
            prediction = predictor.velocity("executor", part.x, part.sigma, condition, grad=True)
        reference = predictor.velocity(None, part.x, part.sigma, condition)
        beside = {name: losses.asked(name, part, condition) for name in losses.learner.shadows}
        if advantages is not None:
            loss = losses.policy_gradient(part, prediction, advantages, beside, None) / count
            penalty = velocity_kl(prediction, reference, model.mask)
            if options.objective.kind == "awm":  # DiffusionNFT's further copy is the old policy, asked by its loss
                other = predictor.velocity("executor", part.x, part.sigma, condition, shadow=copy)
                penalty = penalty + velocity_kl(prediction, other, model.mask)
            loss = loss + 0.0 * penalty
        else:
            loss = losses.anchor(part, prediction, count)
        with policies.use("executor"):
            (loss.sum() / total).backward()

    def gradients(number, asked, rollouts, ranked, losses: RoundLosses, first) -> None:
        used, count = ranked.nonzero().flatten(), options.objective.timesteps
        states = matching_states(model, rollouts, used, options.objective, options.run.seed, number)
        for start in range(0, len(used), options.memory.batch):
            for level in range(count):
                at = range(level * len(used) + start, level * len(used) + min(start + options.memory.batch, len(used)))
                one_level(rows(states, at), count, losses, ranked)
        if any(one.where == "trajectory" for one in asked.passes):
            videos, count = len(rollouts.plan), asked.known
            for level in range(count):
                one_level(rows(rollouts.asked, range(level * videos, (level + 1) * videos)), count, losses, None)

    return gradients


def rows(states: States, at: range) -> States:
    span = slice(at.start, at.stop)
    return States(*(None if part is None else part[span] for part in vars(states).values()))
