"""Wrong values in a run config stop the run at its start, not hours later in the stage that reads them."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pydantic import ValidationError

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
}


class WrongRunConfig(ValueError):
    """A value in the run config that its stage would refuse."""


def check_run_config(run_config: Mapping[str, Any]) -> None:
    """Raises WrongRunConfig with the place, the value and the rule for the first option out of its range."""
    for stage, dotted in OPTIONS.items():
        given = run_config.get("ops", {}).get(stage, {}).get("config", {})
        module, name = dotted.rsplit(".", 1)
        options = getattr(import_module(module), name)
        try:
            options(**{key: value for key, value in given.items() if not _from_env(value)})
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(["ops", stage, "config", *map(str, problem["loc"])])
            # A rule over several options has them all as its input: its message names the one.
            value = "" if isinstance(problem["input"], dict) else f" = {problem['input']!r}"
            raise WrongRunConfig(f"{place}{value}: {problem['msg']}") from error


def _from_env(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"env"}
