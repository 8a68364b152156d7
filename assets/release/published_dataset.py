"""The release: a folder laid out as a Hub dataset repository, and on request that repository on the Hub.

It holds Parquet files with the Hub's Image feature, the layout that the authors' loaders read, an ids-only release
without pixels, a dataset card with measured facts, and checksums. The folder's name is the version: a hash of its
content.
"""

import os

import dagster as dg

from assets.support.asset import asset
from assets.support.config_blocks import config_block
from assets.support.resources import CollectionResource
from curation.release.code import CODE
from curation.release.latest import publish
from curation.release.options import ReleaseOptions

PublishConfig = config_block(ReleaseOptions)


@asset(group="release", deps=["worldtasks"], kinds={"python", "huggingface", "parquet"}, code_version=CODE.version)
def published_dataset(
    context: dg.AssetExecutionContext, config: PublishConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    store = collection.store()
    manifest = publish(store, config.content())
    tree, version, target = store.published / manifest["version"], manifest["version"], config.target
    metadata = {"tree": dg.MetadataValue.path(str(tree)), "version": version}
    metadata |= {f"{split} pairs": count for split, count in manifest["pairs"].items()}
    if target.kind == "hub":
        from curation.release.hub import push

        tag = target.tag or f"v{version}"
        address = push(tree, config.repo_id, os.environ["HF_TOKEN"], target.branch, tag, target.private)
        metadata["hub"] = dg.MetadataValue.url(address)
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(version))
