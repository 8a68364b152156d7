"""The resources of the code location, with their settings left to the run config."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from assets.support.partitions import ALL_SHARDS
from assets.support.resources import CollectionResource, DatasetBuilder, VLMResource
from pipelines.recipes import RECIPES, load_recipe


@dataclass(frozen=True)
class WorldtasksBuilder(DatasetBuilder):
    """Runs `build_worldtasks` over all shards, as a run of its own on the same instance."""

    resolve_job: Callable[[str], dg.JobDefinition]

    def build(self, instance: dg.DagsterInstance, recipe: Path, root: str, name: str) -> None:
        config = load_recipe(recipe if recipe.is_absolute() else RECIPES.parent / recipe)
        resources = config.setdefault("resources", {})
        resources["collection"] = {"config": {"root": root, "name": name}}
        job = self.resolve_job("build_worldtasks")
        job.execute_in_process(run_config=config, tags=ALL_SHARDS, instance=instance)


def resources(resolve_job: Callable[[str], dg.JobDefinition]) -> dict[str, Any]:
    """Resources by the names that assets use. `resolve_job` returns a job once the code location is complete."""
    return {
        "collection": CollectionResource.configure_at_launch(),
        "vlm": VLMResource.configure_at_launch(),
        "dataset_builder": WorldtasksBuilder(resolve_job),
    }
