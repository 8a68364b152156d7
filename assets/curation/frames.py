"""A few frames of every clip, chosen by presentation time in seconds and written as JPEG.

A planner reads the keyframe index and picks the cheapest correct way for each clip: decode only keyframes, seek to the
keyframe before each frame, or make one forward pass. Each file is decoded in a worker process with a time limit.
"""

from pathlib import Path

import dagster as dg

from assets.support.config_blocks import config_block
from assets.support.resources import CollectionResource, VLMResource
from assets.support.stage import run_stage, stage_asset
from curation.clips.sources import folder_of
from curation.frames.ahead import will_be_asked
from curation.frames.extract import extract_frames
from curation.frames.options import FramesOptions
from curation.frames.stage import STAGE
from media.pool import MediaPool
from models.vlm.preflight import Needs
from storage.files import sweep
from storage.journal import Journal
from storage.tables import kept_rows

FramesConfig = config_block(FramesOptions)


@stage_asset(STAGE, kinds={"python", "parquet"})
def frames(
    context: dg.AssetExecutionContext, config: FramesConfig, collection: CollectionResource, vlm: VLMResource
) -> dg.MaterializeResult:
    from curation.frames.pictures import pictures

    store = collection.store()
    after = {node.name for node in context.job_def.nodes}  # the assets of this run

    def build(shard: str) -> list[dict]:
        if will_be_asked(store, shard, config.decisive()):  # hours of decoding, before a server that is not there
            vlm.ask_ahead(Needs(1 if "screening" in after else None, 1 if "tasks" in after else None))
        sweep(store.frames(shard))
        clips, source = kept_rows(store.table("clips", shard)), folder_of(store, shard)
        with Journal(store.journal("frames", shard)) as journal:
            return list(extract_frames(clips, source, store.folder, shard, journal, config, pool))

    def images_exist(table: Path) -> bool:
        return all((store.folder / row["image"]).exists() for row in kept_rows(table))

    def draw(tables: list[Path]) -> dict[str, bytes]:
        return pictures(tables, store.folder)

    with MediaPool(config.workers, config.timeout_s) as pool:
        return run_stage(context, store, STAGE, config.decisive(), build, draw, images_exist)
