"""Wrong values in a run config stop the run at its start, not hours later in the stage that reads them."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from assets.config_blocks import first_problem

# What Dagster's own check of a run config lacks: the ranges and rules of each asset's options.
OPTIONS = {
    "clips": "assets.clips.asset.ClipsConfig",
    "frames": "assets.frames.asset.FramesConfig",
    "quality": "assets.quality.asset.QualityConfig",
    "aesthetics": "assets.aesthetics.asset.AestheticsConfig",
    "screening": "assets.screening.asset.ScreeningConfig",
    "tasks": "assets.tasks.asset.TasksConfig",
    "taxonomy": "assets.tasks.taxonomy_asset.TaxonomyConfig",
    "worldtasks": "assets.worldtasks.asset.WorldtasksConfig",
    "published_dataset": "assets.worldtasks.publish_asset.PublishConfig",
    "training_data": "assets.conditions.data_asset.TrainingDataConfig",
    "conditions": "assets.conditions.asset.ConditionsConfig",
    "executor": "assets.executor.options.ExecutorConfig",
    "executor_ablations": "assets.executor.options.ExecutorConfig",
    "microworld_model": "assets.executor.microworld_model.MicroworldModelConfig",
}


class WrongRunConfig(ValueError):
    """A value in the run config that its stage would refuse."""


def check_run_config(run_config: Mapping[str, Any]) -> None:
    """Raises WrongRunConfig with the place, the value and the rule for the first option out of its range."""
    for stage, block in (run_config.get("ops") or {}).items():
        if stage not in OPTIONS:
            continue  # a stage without options
        given = block.get("config", {})
        module, name = OPTIONS[stage].rsplit(".", 1)
        options = getattr(import_module(module), name)
        try:
            options(**{key: value for key, value in given.items() if not _from_env(value)})
        except ValidationError as error:
            raise WrongRunConfig(first_problem(error, "ops", stage, "config")) from error


def _from_env(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"env"}
