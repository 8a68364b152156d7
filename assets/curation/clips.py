"""A manifest of input videos: one row a clip, with its identity and container facts, or why it is unusable.

There are four sources: a folder of videos; videos on other machines, read by range; a MiraData CSV (v0 or v1) with a
folder of local files; and the microworld, which draws its own clips. Each container is opened once, in a worker
process, so that a hang or crash does not stop the stage. Its keyframe index is kept for the stage `frames`.
"""

import dagster as dg

from assets.support.config_blocks import config_block
from assets.support.resources import CollectionResource
from assets.support.stage import run_stage, shard_keys, stage_asset
from curation.clips.manifest import in_shard, probe_rows
from curation.clips.options import ClipsOptions
from curation.clips.sources import candidates, source_folder
from curation.clips.stage import STAGE
from curation.shards import COUNT
from media.pool import MediaPool
from storage.files import sha256_bytes
from storage.journal import Journal

ClipsConfig = config_block(ClipsOptions)


@stage_asset(STAGE, kinds={"python", "parquet"})
def clips(
    context: dg.AssetExecutionContext, config: ClipsConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    shard_keys(context)  # a run that names none is refused before the source is listed, which may take long
    store = collection.store()
    found = candidates(config.source, store)
    shards = {shard: in_shard(found, shard, COUNT) for shard in store.shards}
    folder = source_folder(config.source, store)

    def build(shard: str) -> list[dict]:
        with Journal(store.journal("clips", shard)) as journal:
            return list(probe_rows(shards[shard], folder, journal, pool, config.cut_threshold))

    def source(shard: str) -> str:
        return sha256_bytes(repr(shards[shard]).encode())

    # One pool for all shards: its processes start with the first file that has to be opened.
    with MediaPool(config.workers, config.timeout_s) as pool:
        return run_stage(context, store, STAGE, config.decisive(), build, source=source)
