"""The resources of the code location, with their settings left to the run config."""

from pathlib import Path

import dagster as dg

from assets.support.partitions import ALL_SHARDS
from assets.support.resources import CollectionResource, DatasetBuilder, VLMResource
from pipelines.recipes import RECIPES, load_recipe


class WorldtasksBuilder(DatasetBuilder):
    """Runs `build_worldtasks` over all shards, as a run of its own on the same instance."""

    def build(self, instance: dg.DagsterInstance, recipe: Path, root: str, name: str) -> None:
        from pipelines.definitions import defs

        config = load_recipe(recipe if recipe.is_absolute() else RECIPES.parent / recipe)
        resources = config.setdefault("resources", {})
        resources["collection"] = {"config": {"root": root, "name": name}}
        job = defs.resolve_job_def("build_worldtasks")
        job.execute_in_process(run_config=config, tags=ALL_SHARDS, instance=instance)


RESOURCES = {
    "collection": CollectionResource.configure_at_launch(),
    "vlm": VLMResource.configure_at_launch(),
    "dataset_builder": WorldtasksBuilder(),
}
