"""One training run of a robot world model as an asset."""

from functools import partial

import dagster as dg

from assets.support.asset import asset
from assets.support.config_blocks import part_of, whole
from assets.support.training_options import Launch
from assets.support.training_run import carried_out
from models.robot.encoded_folder import DECIDES, encoded_folder
from robots.encoded import NotEncoded
from storage.collection import Store
from storage.damage import Damaged
from storage.files import confined
from training.methods.tasks import share_of_rank
from training.options.methods import RobotMethod
from training.options.robots import RobotTrainOptions
from training.run_folder import VERSION, plan_robot_run

# Filled in by the asset; the values only stand in while the other options are checked.
STAND_INS = {"episodes": "-", "output": "-", "method": "persistworld"}
WorldModelConfig = part_of(RobotTrainOptions, "WorldModelConfig", Launch, STAND_INS)

# The decorator of the assets that train a robot world model.
world_model_asset = partial(
    asset, group="robots", deps=["episode_latents"], kinds={"python", "torch"}, code_version=VERSION
)


def check_world_model(config: dg.Config, method: RobotMethod | None, latents: dg.Config | None) -> None:
    """Raises ValueError for options that the trainer, or its number of processes, would refuse at its start, and for
    another model than the one whose `latents` are encoded in the same run."""
    from training.loop.checks import check_robot_options

    share_of_rank(config.rollout.tasks, 0, config.processes)
    check_robot_options(whole(RobotTrainOptions, config, STAND_INS | {"method": method or "persistworld"}))
    if latents is not None:
        ours, theirs = (config.model.model_dump(mode="json") for config in (config, latents))
        differ = [
            f"{name} {ours[name]!r}, not {theirs[name]!r}" for name in sorted(DECIDES) if ours[name] != theirs[name]
        ]
        if differ:
            raise ValueError(f"model differs from ops.episode_latents.config.model ({'; '.join(differ)})")


def train_world_model(
    context: dg.AssetExecutionContext, store: Store, config: dg.Config, method: RobotMethod
) -> dg.MaterializeResult:
    """Trains, continues an interrupted run, or does nothing when the same run has already finished."""
    output, episodes = confined(store.training, config.name or method), encoded_folder(store, config.model)
    options = whole(RobotTrainOptions, config, {"method": method, "episodes": str(episodes), "output": str(output)})
    try:
        run = plan_robot_run(at_equal_cost(options), config.processes)
    except (Damaged, FileNotFoundError, NotEncoded, ValueError) as error:
        raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error
    return carried_out(context, run, config)


def at_equal_cost(options: RobotTrainOptions) -> RobotTrainOptions:
    """A baseline gets as many denoiser evaluations as PersistWorld with these options."""
    from training.methods.budget import steps_at_equal_cost

    steps = steps_at_equal_cost(options)
    return options.model_copy(update={"run": options.run.model_copy(update={"steps": steps})})
