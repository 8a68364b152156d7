"""How often a step asks which policy, and the judge: from the options alone, the same numbers that Predictor counts."""

from collections import Counter

from training.methods.rounds import Round, anchors_on_trajectory, round_of
from training.options import TrainOptions

Calls = Counter[tuple[str, bool]]  # (policy or purpose, with gradient) -> states, as in Predictor.calls


def calls(options: TrainOptions, step: int = 1) -> Calls:
    """Model calls of one step (from 1) over all processes, in states: what `Predictor.calls` then counts.

    An upper bound in two ways: rollouts with advantage 0 (failed judgements, groups without variance) are not trained
    on where only the policy gradient would; and where `distill.timesteps` does not divide `rollout.steps` two strata
    may draw one step.
    """
    part = round_of(options, step)
    videos, steps = options.rollout.tasks * options.rollout.group, options.rollout.steps
    if part.kind == "sft":
        return Counter({("executor", True): videos})
    if part.kind == "dmd":
        counted = {("rollout", False): videos * steps, ("teacher", False): videos}
        return Counter({**counted, ("executor", True): videos, ("fake", True): videos})
    found: Calls = Counter({("rollout", False): videos * steps})
    stochastic = part.rl and options.objective.kind == "flow_grpo"
    asked, on_trajectory = trajectory_steps(options, part), anchors_on_trajectory(part, options)
    if (part.distilled or on_trajectory) and not sampled_by_teacher(part):
        found["teacher", False] += videos * asked
    trained = trained_levels(options, part)
    found[part.learner, True] += videos * trained
    if (part.anchor or part.base_anchor) and not on_trajectory:
        found["teacher", False] += videos * trained
    if not part.rl:
        return found
    levels = asked if stochastic else options.objective.timesteps
    if options.objective.kind == "nft" and options.objective.old_decay_max > 0:
        found["old", False] += videos * levels
    if options.regularisers.kl_ref or (stochastic and options.objective.kl):
        found["reference", False] += videos * levels
    if options.regularisers.kl_ema:
        found["ema", False] += videos * levels
    return found


def trajectory_steps(options: TrainOptions, part: Round) -> int:
    """Sampler steps at which the teacher is asked."""
    if part.rl and options.objective.kind == "flow_grpo":
        first, last = options.objective.window
        return last - first
    return options.distill.timesteps


def trained_levels(options: TrainOptions, part: Round) -> int:
    """States of each rollout that pass through the learner with gradients."""
    asked = trajectory_steps(options, part)
    if not part.rl or options.objective.kind == "flow_grpo":
        return asked
    return options.objective.timesteps + (asked if anchors_on_trajectory(part, options) else 0)


def sampled_by_teacher(part: Round) -> bool:
    """Off-policy rounds roll the teacher itself out, so that its velocities are at hand."""
    return part.rollouts == "demonstrator" and part.anchor


def calls_of_run(options: TrainOptions) -> Calls:
    """Model calls of all training steps, without evaluation."""
    rounds = Counter(round_of(options, step) for step in range(1, options.run.steps + 1))
    first = {round_of(options, step): step for step in range(options.run.steps, 0, -1)}
    total: Calls = Counter()
    for part, times in rounds.items():
        for key, states in calls(options, first[part]).items():
            total[key] += states * times
    return total


def judged_videos(options: TrainOptions, step: int = 1) -> int:
    """Videos a step decodes and shows to the judge, over all processes."""
    part = round_of(options, step)
    return options.rollout.tasks * options.rollout.group if part.judged else 0


def requests(options: TrainOptions, videos: int) -> int:
    """Requests to the judge for `videos`: one for each question that is asked, whether or not it has a weight."""
    return videos * len(options.rewards.judge.questions)


def held_out_videos(options: TrainOptions) -> int:
    """Videos of all evaluations of a run: the base and the Demonstrator once, the Executor along the way and last.

    `held_out.tasks` is taken for the number of held-out tasks there are.
    """
    every, steps = options.held_out.every, options.run.steps
    along = (steps - 1) // every if every else 0
    return options.held_out.tasks * (3 + along)
