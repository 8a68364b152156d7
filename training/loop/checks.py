"""What a run would only stumble over later, looked at before its first step."""

from typing import TYPE_CHECKING

from models.vlm.questions import NAMES
from training.methods.rounds import rounds_of
from training.options import TrainOptions
from training.options.rewards import SOURCES
from training.options.robots import RobotTrainOptions

if TYPE_CHECKING:  # it imports torch, which who only checks options does without
    from training.conditions.store import ConditionStore


def check_options(options: TrainOptions) -> None:
    """Raises ValueError for options that do not fit each other under the run's method: needs neither model nor data.

    Rewards that are all without weight where the method learns from them, weights of questions that are not asked, no
    question about the task (held-out scores are of it), and samplers too short for the objective.
    """
    rewards, asked = options.rewards, options.rewards.judge.questions
    if "task" not in asked:
        raise ValueError(f"rewards.judge.questions {list(asked)} lack task: add it, because held-out scores need it")
    updates = options.rollout.updates_per_rollout
    if updates > 1 and not rounds_of(options.method):
        raise ValueError(
            f"rollout.updates_per_rollout {updates}: method {options.method} makes one update a step, so set it to 1"
        )
    for part in rounds_of(options.method):
        if part.rl and not any(rewards.weight_of(source) for source in part.scorers):
            names = [name for source in part.scorers for name in SOURCES[source].rewards]
            raise ValueError(
                f"method {options.method}: rewards.{', '.join(names[:-1])} and {names[-1]} are all 0, but it learns "
                "from them: give at least one a weight above 0"
                if len(names) > 1
                else f"method {options.method}: rewards.{names[0]} is 0, but it learns from it: set a weight above 0"
            )
        missing = [name for name in NAMES if getattr(rewards, name) and name not in asked]
        if part.judged and missing:
            raise ValueError(
                f"rewards.{missing[0]} has a weight, but rewards.judge.questions {list(asked)} lack it: add it, or set "
                "the weight to 0"
            )
        steps, objective = options.rollout.steps, options.objective
        on_grid = objective.kind != "flow_grpo" and objective.levels in ("sampler", "uniform")
        if part.rl and on_grid and not objective.within(steps):
            raise ValueError(
                f"rollout.steps {steps}: objective.skip_first {objective.skip_first} and fraction {objective.fraction} "
                f"leave no noise level to train {objective.kind} at: use more steps, or a fraction nearer 1"
            )


def check_robot_options(options: RobotTrainOptions) -> None:
    """Raises ValueError for options of a robot's run that do not fit each other."""
    rewards, objective, steps = options.rewards, options.objective, options.rollout.steps
    for part in rounds_of(options.method):
        if not any(rewards.counted.values()):
            off = "rewards.lpips counts only with rewards.metrics.lpips_backbone, and " if rewards.lpips else ""
            raise ValueError(f"{off}rewards.ssim and rewards.psnr are 0: give at least one a weight above 0")
        if part.imitates and not rewards.best:
            raise ValueError(f"method {options.method}: rewards.best is 0: say how many of a group are imitated")
        if objective.levels in ("sampler", "uniform") and not objective.within(steps):
            raise ValueError(
                f"rollout.steps {steps}: objective.skip_first {objective.skip_first} and fraction {objective.fraction} "
                "leave no noise level to train at: use more steps, or a fraction nearer 1"
            )
    if options.method != "persistworld" and options.rollout.updates_per_rollout > 1:
        raise ValueError(
            f"rollout.updates_per_rollout: method {options.method} makes one update a step, so set it to 1"
        )


def check_data(options: TrainOptions, store: "ConditionStore") -> None:
    """Raises ValueError when the conditions lack what the run needs: pairs to train on and to hold out, videos."""
    have = store.splits()
    for split in ("train", "heldout"):
        if not have.get(split):
            raise ValueError(
                f"the conditions in {store.folder} have pairs {have}: training needs at least one of split {split}"
            )
    if options.method == "sft" and not store.videos():
        raise ValueError(
            f"the conditions in {store.folder} have no videos, which method sft learns from: set "
            "ops.conditions.config.sft_videos.count and materialise `conditions` again"
        )
