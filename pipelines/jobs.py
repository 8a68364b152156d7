"""Jobs, by the names people type."""

import dagster as dg

from pipelines.recipes import RECIPES, load_recipe

build_worldtasks = dg.define_asset_job(
    "build_worldtasks",
    selection=dg.AssetSelection.groups("curation", "release"),
    config=load_recipe(RECIPES / "microworld.yaml"),
    description=(
        "Video files to a published WorldTasks dataset and its report. Partitioned by shard: run it for one, or for "
        "all of them with `make build RECIPE=recipes/NAME.yaml`. Without a recipe it builds the microworld."
    ),
    tags={"dagster/max_retries": "1"},
)
