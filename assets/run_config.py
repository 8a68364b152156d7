"""Wrong values in a run config stop the run at its start, not hours later in the stage that reads them."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pydantic import ValidationError

# What Dagster's own check of a run config lacks: the ranges and rules of each stage's options. `clips` is not here
# because it is the first to read its own.
OPTIONS = {
    "frames": "assets.frames.extract.FramesOptions",
    "quality": "assets.quality.filter.QualityOptions",
    "aesthetics": "assets.aesthetics.score.AestheticsOptions",
    "screening": "assets.screening.screen.ScreeningOptions",
    "tasks": "assets.tasks.generate.TasksOptions",
    "taxonomy": "assets.tasks.taxonomy.TaxonomyOptions",
}


class WrongRunConfig(ValueError):
    """A value in the run config that its stage would refuse."""


def check_run_config(run_config: Mapping[str, Any]) -> None:
    """Raises WrongRunConfig with the place, the value and the rule for the first option out of its range."""
    for stage, dotted in OPTIONS.items():
        given = run_config.get("ops", {}).get(stage, {}).get("config", {})
        module, name = dotted.rsplit(".", 1)
        options = getattr(import_module(module), name)
        known = {key: value for key, value in given.items() if key in options.model_fields and not _from_env(value)}
        try:
            options(**known)
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(["ops", stage, "config", *map(str, problem["loc"])])
            raise WrongRunConfig(f"{place} = {problem['input']!r}: {problem['msg']}") from error


def _from_env(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"env"}
