"""Finds the release that training reads, checks that it is whole, and pins it, so that conditions and training agree.

If the collection has no release, the run fails at once and names the command that builds one. A recipe with
`build_if_missing`, such as the microworld's, builds it in a separate run instead.
"""

from pathlib import Path

import dagster as dg
from pydantic import Field

from assets.support.asset import asset
from assets.support.resources import CollectionResource, DatasetBuilder
from assets.support.run_config import PARTITION, check_run_config
from curation.release.latest import find_release
from storage.collection import Store
from storage.json_files import read_object


class TrainingDataConfig(dg.Config):
    version: str = Field("", description="Version of the release: its folder's name. Empty: the latest.")
    recipe: str = Field(
        "",
        description="Recipe that builds this collection. Without a release the error names it, or `build_if_missing` "
        "runs it.",
    )
    build_if_missing: bool = Field(
        False,
        description="Build the collection if it has no release. Takes minutes for the microworld, weeks for others.",
    )


def missing(store: Store, config: TrainingDataConfig) -> str:
    """The error for a collection without a release."""
    recipe = config.recipe or "recipes/NAME.yaml"
    what = f"release {config.version!r}" if config.version else "release"
    return (
        f"collection {store.name!r} has no {what} in {store.published}. Build it first: make build RECIPE={recipe}. "
        f"In that recipe resources.collection.config must have name {store.name!r} and root {str(store.root)!r}"
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
            raise dg.Failure("build_if_missing needs `recipe`: name the recipe that builds it", allow_retries=False)
        context.log.info(f"{store.folder} has no release. Building it from {config.recipe} in a separate run")
        dataset_builder.build(context.instance, Path(config.recipe), collection.root, collection.name)
        tree, built = find_release(store, ""), True
    if tree is None:
        raise dg.Failure(missing(store, config), allow_retries=False)
    manifest = read_object(tree / "manifest.json", "version", "pairs")
    store.pin_release(manifest["version"], tree)
    metadata = {"tree": dg.MetadataValue.path(str(tree)), "version": manifest["version"], "built now": built}
    metadata |= {f"{split} pairs": count for split, count in manifest["pairs"].items()}
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(manifest["version"]))
