"""Who is asked where: from the options alone, which model calls a step makes. The methods follow it, and plans and
costs count it.

Calls are counted as `Predictor.calls` counts them: (policy or purpose, with gradient) -> states.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from training.methods.budget import true_chunks
from training.methods.rounds import Round, round_of, rounds_of
from training.options import TrainOptions
from training.options.rewards import SOURCES

Calls = Counter[tuple[str, bool]]


@dataclass(frozen=True)
class Pass:
    """States, so many of each rollout or video, that pass through `learner` with gradients.

    `where`: `trajectory`, of the rollout itself; `levels`, its clean state noised again at training levels; `drawn`,
    one of the trajectory and the sample noised again (DMD); `videos`, encoded ones noised (fine-tuning). `rl`,
    `anchor`: which terms of WMSD's loss count there. `beside`: who else is asked there without gradients: the
    teacher (unless its velocities are known), the reference (the base under T), the old policy, an EMA.
    """

    where: Literal["trajectory", "levels", "drawn", "videos"]
    learner: str
    states: int
    rl: bool = False
    anchor: bool = False
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asking:
    """The model calls of one step: `sampled` sampler steps of each rollout, whose states are all `kept` or not; `known`
    states of its trajectory with the teacher's velocities, `told` of them asked for; then the `passes` of each update.
    `judged`: whether rollouts are decoded and shown to the judge; `decoded`: whether to any scorer. `prefixes`:
    rollouts that each group's context makes first, each with all sampler steps. `count`: rollouts or videos of the
    step, 0 for those that `rollout.tasks` and `rollout.group` say.
    """

    passes: tuple[Pass, ...]
    sampled: int = 0
    kept: bool = False
    known: int = 0
    told: int = 0
    judged: bool = False
    decoded: bool = False
    updates: int = 1
    prefixes: int = 0
    count: int = 0


def asking(options: TrainOptions, step: int) -> Asking:
    """Who is asked where in a step (from 1) of the run's method."""
    match options.method:
        case "sft":
            return Asking((Pass("videos", "executor", 1),))
        case "teacher_forcing" | "teacher_forcing_longer" | "noisy_history":
            return Asking((Pass("videos", "executor", 1),), count=true_chunks(options))
        case "dmd":
            passes = (Pass("drawn", "executor", 1, beside=("teacher",)), Pass("drawn", "fake", 1))
            return Asking(passes, sampled=options.rollout.steps, kept=True)
    return asking_in(options, round_of(options, step))


def shadows(options: TrainOptions) -> tuple[str, ...]:
    """The shadows of its learner that a policy gradient asks: the old policy (NFT), an EMA."""
    objective = options.objective
    if all(part.imitates for part in rounds_of(options.method) if part.rl):
        return ()
    old = objective.kind == "nft" and objective.old_decay_max > 0
    return (*(("old",) if old else ()), *(("ema",) if options.regularisers.kl_ema else ()))


def asking_in(options: TrainOptions, part: Round) -> Asking:
    """Who is asked where in a round."""
    objective, learner = options.objective, part.learner
    stochastic = part.rl and objective.kind == "flow_grpo"
    window = objective.window[1] - objective.window[0] if stochastic else 0
    # Flow-GRPO's states lie on the trajectory anyway, and so do those of a round without a policy gradient.
    on_trajectory = part.anchored and (options.distill.states == "trajectory" or stochastic or not part.rl)
    asked = window or options.distill.timesteps
    known = asked if part.distilled or on_trajectory else 0
    reference = options.regularisers.kl_ref or (stochastic and objective.kl)
    beside = () if part.imitates else (*(("reference",) if reference else ()), *shadows(options))
    passes = []
    if stochastic:
        passes.append(Pass("trajectory", learner, window, True, part.anchored, beside))
    elif part.rl:
        anchor = part.anchored and not on_trajectory
        passes.append(
            Pass(
                "levels",
                learner,
                objective.timesteps * options.rollout.parts,
                True,
                anchor,
                (*beside, *(("teacher",) if anchor else ())),
            )
        )
    if on_trajectory and not stochastic:
        passes.append(Pass("trajectory", learner, asked, anchor=True))
    return Asking(
        tuple(passes),
        sampled=options.rollout.steps * options.rollout.parts,
        kept=bool(known) or stochastic,
        known=known,
        told=0 if part.sampled_by_teacher else known,
        judged=part.judged,
        decoded=any(SOURCES[name].videos for name in part.scorers),
        updates=options.rollout.updates_per_rollout,
        prefixes=part.prefixes,
    )


def calls(options: TrainOptions, step: int = 1) -> Calls:
    """Model calls of one step (from 1) over all processes, in states: what `Predictor.calls` then counts.

    An upper bound in three ways: a context may roll out fewer prefixes than its round allows; rollouts with advantage 0
    (failed judgements, groups without variance, neither best nor worst) are not trained on where only the policy
    gradient would; and where `distill.timesteps` does not divide `rollout.steps` two strata may draw one step.
    """
    return _counted(asking(options, step), options)


def calls_of_run(options: TrainOptions) -> Calls:
    """Model calls of all training steps, without evaluation."""
    total: Calls = Counter()
    for plan, times in Counter(asking(options, step) for step in range(1, options.run.steps + 1)).items():
        for key, states in _counted(plan, options).items():
            total[key] += states * times
    return total


def _counted(plan: Asking, options: TrainOptions) -> Calls:
    videos = plan.count or options.rollout.tasks * options.rollout.group
    found: Calls = Counter({("rollout", False): plan.sampled, ("teacher", False): plan.told})
    for one in plan.passes:
        found[one.learner, True] += one.states * plan.updates
        for name in one.beside:
            found[name, False] += one.states * plan.updates
    found = Counter({key: videos * states for key, states in found.items() if states})
    if plan.prefixes:
        found["prefix", False] = options.rollout.tasks * plan.prefixes * options.rollout.steps
    return found


def judged_videos(options: TrainOptions, step: int = 1) -> int:
    """Videos a step shows to the judge, over all processes."""
    return options.rollout.tasks * options.rollout.group if asking(options, step).judged else 0


def decoded_videos(options: TrainOptions, step: int = 1) -> int:
    """Videos a step decodes, over all processes: for its scorers, and prefixes, whose last frames are gone on from."""
    plan, tasks = asking(options, step), options.rollout.tasks
    each = options.rollout.group * options.rollout.parts
    return tasks * ((each if plan.decoded else 0) + plan.prefixes)


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
