"""Low-level quality: rejects blurred, badly exposed and empty frames by the paper's thresholds (appendix A.6.1).

Measured on the full-range luma of the written JPEG, scaled down (never up) to at most 720 pixels on the short side,
because the variance of the Laplacian depends on the size. Smaller frames get it as of 720 lines.
"""

from pathlib import Path

import dagster as dg

from assets.support.config_blocks import config_block
from assets.support.resources import CollectionResource
from assets.support.stage import run_stage, stage_asset
from curation.quality.options import QualityOptions
from curation.quality.stage import STAGE
from storage.tables import kept_rows

QualityConfig = config_block(QualityOptions)


@stage_asset(STAGE, kinds={"python", "opencv", "parquet"})
def quality(
    context: dg.AssetExecutionContext, config: QualityConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    from curation.quality.filter import filter_frames
    from curation.quality.pictures import pictures

    store = collection.store()

    def build(shard: str) -> list[dict]:
        return list(filter_frames(kept_rows(store.table("frames", shard)), store.folder, config))

    def draw(tables: list[Path]) -> dict[str, bytes]:
        return pictures(tables, config)

    return run_stage(context, store, STAGE, config.decisive(), build, draw)
