"""A combined quality score, and the cut that keeps the best 90 % of frames.

The score combines the rank of an aesthetic score, the rank of sharpness, and exposure. The aesthetic score is CLIP
ViT-L/14 with the LAION head, or colourfulness, which needs no weights. Each shard's reference population and cut are
kept in a file, so that a later run ranks and cuts the same way.
"""

import dagster as dg

from assets.support.config_blocks import config_block
from assets.support.resources import CollectionResource
from assets.support.stage import run_stage, stage_asset
from curation.aesthetics.options import AestheticsOptions
from curation.aesthetics.stage import STAGE
from storage.files import sweep
from storage.tables import kept_rows

AestheticsConfig = config_block(AestheticsOptions)


@stage_asset(STAGE, kinds={"python", "pytorch", "parquet"})
def aesthetics(
    context: dg.AssetExecutionContext, config: AestheticsConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    from curation.aesthetics.pictures import pictures
    from curation.aesthetics.score import score_frames

    store = collection.store()

    def build(shard: str) -> list[dict]:
        sweep(store.cut(shard).parent)
        rows = list(kept_rows(store.table("quality", shard)))
        return score_frames(rows, store.folder, config, store.cut(shard))

    return run_stage(context, store, STAGE, config.decisive(), build, pictures)
