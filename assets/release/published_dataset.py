"""The release: a folder with exactly the tree that a Hub repository would hold, and, when asked for, that repository.

Parquet with the Hub's Image feature, the authors' own layout for their loaders, an ids-only release without pixels, a
dataset card from measured facts, and checksums. The folder's name is the version: a hash of its content.
"""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import dagster as dg
from pydantic import Field, model_validator

from assets.release.checks import all_tables, keep_rates
from assets.support.resources import CollectionResource
from curation.assembly.options import PublishOptions
from curation.release.facts import collection_facts
from curation.release.pictures import DamagedImage
from curation.release.publish import is_whole, publish_tree
from curation.report.summaries import funnel, token_totals
from storage.collection import Store
from storage.files import exclusive, sha256_bytes, sha256_file, write_bytes

# Changes when the same table gives another tree.
RELEASE_VERSION = "1"


class LocalTarget(dg.Config):
    """Only the local folder."""

    kind: Literal["local"] = "local"


class HubTarget(dg.Config):
    """A dataset repository on the Hugging Face Hub. The token is read from the environment variable HF_TOKEN."""

    kind: Literal["hub"] = "hub"
    branch: str = Field("main", min_length=1, description="Branch that gets the commit.")
    tag: str = Field("", description="Tag of the commit; v and the version when empty.")
    private: bool = Field(True, description="Whether a new repository is private.")


class PublishConfig(PublishOptions, dg.Config):
    target: LocalTarget | HubTarget = Field(
        default=LocalTarget(), discriminator="kind", description="Where the release goes."
    )

    @model_validator(mode="after")
    def _hub_needs_names_and_a_token(self) -> "PublishConfig":
        if self.target.kind == "hub":
            token = os.environ.get("HF_TOKEN", "")
            wanted = {"repo_id": self.repo_id, "contact": self.contact, "environment variable HF_TOKEN": token}
            missing = [name for name, value in wanted.items() if not value]
            if missing:
                raise ValueError(f"a Hub release needs {', '.join(missing)}")
        return self


def latest_link(published: Path, version: str) -> None:
    """Points `latest` at a version, in one step."""
    temporary = published / ".latest.tmp"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(version)
    temporary.replace(published / "latest")


def publish_once(store: Store, facts: dict[str, Any], options: PublishOptions) -> dict[str, Any]:
    """The release's manifest; the tree is built anew only when table, facts or options changed."""
    inputs = [sha256_file(store.worldtasks), facts, options.model_dump(mode="json"), RELEASE_VERSION]
    fingerprint = sha256_bytes(json.dumps(inputs, sort_keys=True).encode())
    note = store.published / "latest.json"
    before = json.loads(note.read_text()) if note.exists() else {}
    manifest = store.published / str(before.get("version")) / "manifest.json"
    if before.get("fingerprint") == fingerprint and is_whole(manifest.parent):
        latest_link(store.published, before["version"])
        return json.loads(manifest.read_text(encoding="utf-8"))
    began = time.monotonic()
    try:
        built = publish_tree(store.worldtasks, store.folder, store.published, facts, options)
    except DamagedImage as error:
        error.path.unlink()
        raise dg.Failure(f"{error}. It was removed: run again, and `frames` will make it anew") from error
    latest_link(store.published, built["version"])
    write_bytes(note, json.dumps({"version": built["version"], "fingerprint": fingerprint}).encode())
    seconds = round(time.monotonic() - began, 3)
    write_bytes(store.timing("published_dataset"), json.dumps({"seconds": seconds}).encode())
    return built


@dg.asset(
    deps=["worldtasks"],
    group_name="release",
    kinds={"python", "huggingface", "parquet"},
    code_version=RELEASE_VERSION,
    description=__doc__,
)
def published_dataset(
    context: dg.AssetExecutionContext, config: PublishConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    store = collection.store()
    tables = all_tables(store)
    counts = funnel(tables)
    options = PublishOptions(**config.model_dump(exclude={"target"}))
    # Seconds differ from run to run: they belong to the report, not to a release that is named by its content.
    facts = {name: value for name, value in collection_facts(store).items() if name != "seconds"} | {
        "funnel": [asdict(count) for count in counts],
        "tokens": token_totals(tables),
        "keep_rates": keep_rates(counts),
    }
    with exclusive(store.lock("published_dataset")):
        manifest = publish_once(store, facts, options)
    tree = store.published / manifest["version"]
    metadata = {"tree": dg.MetadataValue.path(str(tree)), "version": manifest["version"]}
    metadata |= {f"{split} pairs": count for split, count in manifest["pairs"].items()}
    if config.target.kind == "hub":
        metadata["hub"] = dg.MetadataValue.url(push_to_hub(tree, config, manifest["version"]))
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(manifest["version"]))


def push_to_hub(tree: Path, config: PublishConfig, version: str) -> str:
    """Pushes the tree and returns the repository's address."""
    from curation.release.hub import push

    target, token = config.target, os.environ["HF_TOKEN"]
    return push(tree, config.repo_id, token, target.branch, target.tag or f"v{version}", target.private)
