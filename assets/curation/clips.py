"""A manifest of input videos: one row a clip with its identity and container facts, or the reason why it is unusable.

Three sources: a folder of videos, a MiraData CSV (v0 or v1) with a folder of local files, and the microworld, which
draws its own clips. The container is opened once, in a worker process that a hang or a crash cannot take the stage down
with; its keyframe index is kept for the stage `frames`.
"""

from pathlib import Path
from typing import Literal

import dagster as dg
from pydantic import Field

from assets.support.resources import CollectionResource
from assets.support.stage import Stage, run_stage, stage_asset
from curation.clips.manifest import VERSION, Candidate, folder_candidates, in_shard, miradata_candidates, probe_rows
from curation.schemas import CLIPS
from curation.shards import COUNT
from media.pool import MediaPool
from storage.collection import Store
from storage.files import exclusive, sha256_bytes
from storage.journal import Journal

STAGE = Stage("clips", CLIPS, version=VERSION)


class MicroworldSource(dg.Config):
    """Small scenes drawn by the project itself, with some deliberately bad clips among them."""

    kind: Literal["microworld"] = "microworld"
    clips: int = Field(60, ge=1, le=100_000, description="Number of clips, bad ones included.")
    seed: int = Field(7, ge=0, description="Seed of scenes and motions.")


class FolderSource(dg.Config):
    """Every video file below a folder."""

    kind: Literal["folder"] = "folder"
    folder: str = Field(description="Folder of videos, searched with its subfolders.")
    redistributable: bool = Field(
        False,
        description="Whether frames of these videos may be published; if not, only the ids-only release has them.",
    )


class MiraDataSource(dg.Config):
    """A MiraData metadata CSV and the local files of its clips. Their pixels are never published."""

    kind: Literal["miradata"] = "miradata"
    csv: str = Field(description="The metadata CSV, v0 or v1.")
    folder: str = Field(description="Folder with the clips' files; absent ones are listed as absent.")


class ClipsConfig(dg.Config):
    source: MicroworldSource | FolderSource | MiraDataSource = Field(
        default=MicroworldSource(), discriminator="kind", description="Where the videos come from."
    )
    workers: int = Field(2, ge=1, le=256, description="Files opened at once.")
    timeout_s: float = Field(60.0, gt=0, description="Hard limit for opening one file, in seconds.")


def source_folder(source: MicroworldSource | FolderSource | MiraDataSource, store: Store) -> Path:
    """The folder that the manifest's paths are relative to."""
    if source.kind == "microworld":
        return store.microworld_clips / f"seed-{source.seed}-clips-{source.clips}"
    return Path(source.folder)


def candidates(source: MicroworldSource | FolderSource | MiraDataSource, store: Store) -> list[Candidate]:
    """The source's clips, all shards together. Raises ValueError that names a wrong setting."""
    folder = source_folder(source, store)
    with exclusive(store.lock("listing")), Journal(store.journal("clips", "digests")) as digests:
        if source.kind == "microworld":
            from microworld.clips import make_clips

            make_clips(folder, source.clips, source.seed)
        if source.kind == "miradata":
            return miradata_candidates(Path(source.csv), folder, digests)
        redistributable = source.kind == "microworld" or source.redistributable
        return folder_candidates(folder, redistributable, digests)


@stage_asset(STAGE, kinds={"python", "parquet"}, description=__doc__)
def clips(
    context: dg.AssetExecutionContext, config: ClipsConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    store = collection.store()
    found = candidates(config.source, store)
    shards = {shard: in_shard(found, shard, COUNT) for shard in store.shards}
    folder = source_folder(config.source, store)

    def build(shard: str) -> list[dict]:
        with Journal(store.journal("clips", shard)) as journal:
            return list(probe_rows(shards[shard], folder, journal, pool))

    def source(shard: str) -> str:
        return sha256_bytes(repr(shards[shard]).encode())

    # A longer limit is a reason to open again what timed out.
    options = {"source": config.source.model_dump(), "timeout_s": config.timeout_s}
    # One pool for all shards: its processes start with the first file that has to be opened.
    with MediaPool(config.workers, config.timeout_s) as pool:
        return run_stage(context, store, STAGE, options, build, source=source)
