"""Sparse stills of every clip, addressed by presentation time in seconds and written as JPEG.

A planner reads the keyframe index and picks the cheapest correct way for each clip: decode only keyframes, seek to the
governing keyframe and decode on, or one forward pass. Each file is decoded in a worker process with a hard time limit.
"""

from pathlib import Path

import dagster as dg
from pydantic import Field

from assets.curation.clips import FolderSource, MicroworldSource, MiraDataSource, source_folder
from assets.support.resources import CollectionResource
from assets.support.stage import Stage, run_stage, stage_asset
from curation.frames.extract import VERSION, FramesOptions, extract_frames
from curation.schemas import FRAMES
from media.pool import MediaPool
from storage.collection import Store
from storage.files import sweep
from storage.journal import Journal
from storage.tables import kept_rows, read_meta

STAGE = Stage("frames", FRAMES, version=str(VERSION), upstream="clips")
SOURCES = {"microworld": MicroworldSource, "folder": FolderSource, "miradata": MiraDataSource}


class FramesConfig(FramesOptions, dg.Config):
    workers: int = Field(2, ge=1, le=256, description="Files decoded at once, one thread each.")


def folder_of(store: Store, shard: str) -> Path:
    """The source folder that the shard's manifest was made from."""
    source = read_meta(store.table("clips", shard))["options"]["source"]
    return source_folder(SOURCES[source["kind"]](**source), store)


@stage_asset(STAGE, kinds={"python", "parquet"}, description=__doc__)
def frames(
    context: dg.AssetExecutionContext, config: FramesConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    from curation.pictures import contact_sheet_jpeg

    store = collection.store()
    options = FramesOptions(**config.model_dump(exclude={"workers"}))

    def build(shard: str) -> list[dict]:
        sweep(store.folder / "frames" / shard)
        clips, source = kept_rows(store.table("clips", shard)), folder_of(store, shard)
        with Journal(store.journal("frames", shard)) as journal:
            return list(extract_frames(clips, source, store.folder, shard, journal, options, pool))

    def images_exist(table: Path) -> bool:
        return all((store.folder / row["image"]).exists() for row in kept_rows(table))

    def pictures(tables: list[Path]) -> dict[str, bytes]:
        images = [store.folder / row["image"] for table in tables for row in kept_rows(table)]
        return {"sample.jpg": contact_sheet_jpeg(images[:: max(1, len(images) // 24)][:24], 8, 120)} if images else {}

    decisive = options.model_dump(exclude={"timeout_s"})
    with MediaPool(config.workers, options.timeout_s) as pool:
        return run_stage(context, store, STAGE, decisive, build, pictures, images_exist)
