"""The release that training reads: found, checked to be whole, and pinned, so that conditions and training agree on it.

Where the collection has none, the run fails at once with the command that builds it. Only a recipe that says so
(`build_if_missing`, the microworld's) builds it on the way, as a run of its own.
"""

import json
from pathlib import Path

import dagster as dg
from pydantic import Field

from assets.support.asset import asset
from assets.support.resources import CollectionResource, DatasetBuilder
from assets.support.run_config import PARTITION, check_run_config
from curation.release.latest import find_release
from storage.collection import Store


class TrainingDataConfig(dg.Config):
    version: str = Field("", description="Version of the release (its folder's name); empty: the latest.")
    recipe: str = Field(
        "", description="Recipe that builds this collection: named when it is missing, run with build_if_missing."
    )
    build_if_missing: bool = Field(
        False, description="Build the collection when it has no release. Minutes for the microworld, weeks for others."
    )


def missing(store: Store, config: TrainingDataConfig) -> str:
    """What to tell somebody whose collection has no release."""
    recipe = config.recipe or "recipes/NAME.yaml"
    what = f"release {config.version!r}" if config.version else "release"
    return (
        f"collection {store.name!r} has no {what} in {store.published}. Build it first: make build RECIPE={recipe} "
        f"(its resources.collection is to be name {store.name!r}, root {str(store.root)!r})"
    )


@asset(group="training", deps=["published_dataset"], kinds={"python"}, code_version="1")
def training_data(
    context: dg.AssetExecutionContext,
    config: TrainingDataConfig,
    collection: CollectionResource,
    dataset_builder: dg.ResourceParam[DatasetBuilder],
) -> dg.MaterializeResult:
    check_run_config(context.run.run_config, context.run.tags.get(PARTITION))
    store = collection.store()
    tree = find_release(store, config.version)
    built = False
    if tree is None and config.build_if_missing and not config.version:
        if not config.recipe:
            raise dg.Failure("build_if_missing needs `recipe`: the one that builds it", allow_retries=False)
        context.log.info(f"{store.folder} has no release: building it from {config.recipe}, as a run of its own")
        dataset_builder.build(context.instance, Path(config.recipe), collection.root, collection.name)
        tree, built = find_release(store, ""), True
    if tree is None:
        raise dg.Failure(missing(store, config), allow_retries=False)
    manifest = json.loads((tree / "manifest.json").read_text(encoding="utf-8"))
    store.pin_release(manifest["version"], tree)
    metadata = {"tree": dg.MetadataValue.path(str(tree)), "version": manifest["version"], "built now": built}
    metadata |= {f"{split} pairs": count for split, count in manifest["pairs"].items()}
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(manifest["version"]))
