"""What a step costs in denoiser evaluations, for comparisons at equal cost. A backward pass counts 2."""

import math

from training.options.robots import RobotTrainOptions

BACKWARD = 2


def mean_prefix(options: RobotTrainOptions) -> float:
    """Chunks of a prefix on average over the run."""
    prefix = options.rollout.prefix
    if prefix.kind == "fixed":
        return prefix.most
    # A length that grows in a straight line is half as long on average while it grows.
    return prefix.most / 2 * (1 - prefix.growth / 2 if prefix.kind == "growing" else 1)


def evaluations(options: RobotTrainOptions) -> float:
    """Denoiser evaluations of a step that rolls out, on average, over all processes: prefixes, branches, and for each
    branch that is trained on its forward and backward pass and whoever else is asked there."""
    rollout, rewards, objective = options.rollout, options.rewards, options.objective
    imitates = options.method == "best_of_k_sft"
    chosen = rewards.best if imitates else rewards.best + rewards.worst
    beside = 0 if imitates else (objective.old_decay_max > 0) + (options.regularisers.kl_ref > 0)
    sampled = rollout.steps * (mean_prefix(options) + rollout.group * rollout.chunks)
    trained = (chosen or rollout.group) * rollout.chunks * objective.timesteps * (1 + BACKWARD + beside)
    return rollout.tasks * (sampled + trained)


def true_chunks(options: RobotTrainOptions) -> int:
    """True chunks of a step of teacher forcing: as told, or as many as cost what a step of PersistWorld costs."""
    told = options.teacher_forcing.states
    return told or max(1, round(evaluations(_as(options, "persistworld")) / (1 + BACKWARD)))


def steps_at_equal_cost(options: RobotTrainOptions) -> int:
    """The steps that make a run of this method cost what PersistWorld's costs with `run.steps`. Best-of-K has fewer
    evaluations a step, so more steps; steps of teacher forcing are made equal by their size."""
    if options.method != "best_of_k_sft":
        return options.run.steps
    return math.ceil(options.run.steps * evaluations(_as(options, "persistworld")) / evaluations(options))


def _as(options: RobotTrainOptions, method: str) -> RobotTrainOptions:
    return options.model_copy(update={"method": method})
