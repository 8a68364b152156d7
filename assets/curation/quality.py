"""Low-level quality: blur, exposure and empty frames, by the paper's thresholds (appendix A.6.1).

Measured on the full-range luma of the written JPEG, scaled down (never up) to at most 720 pixels on the short side:
the variance of the Laplacian only means something at a fixed size.
"""

from pathlib import Path

import dagster as dg

from assets.support.resources import CollectionResource
from assets.support.stage import Stage, run_stage, stage_asset
from curation.quality.options import QualityOptions
from curation.schemas import QUALITY
from storage.tables import kept_rows, read_rows

STAGE = Stage("quality", QUALITY, version="1", upstream="frames")


class QualityConfig(QualityOptions, dg.Config):
    pass


@stage_asset(STAGE, kinds={"python", "opencv", "parquet"}, description=__doc__)
def quality(
    context: dg.AssetExecutionContext, config: QualityConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    from curation.pictures import histogram_png
    from curation.quality.filter import filter_frames

    store = collection.store()

    def build(shard: str) -> list[dict]:
        return list(filter_frames(kept_rows(store.table("frames", shard)), store.folder, config))

    def pictures(tables: list[Path]) -> dict[str, bytes]:
        rows = [row for table in tables for row in read_rows(table, ["laplacian_var", "mean_luma"])]
        sharpness = [row["laplacian_var"] for row in rows if row["laplacian_var"] is not None]
        luma = [row["mean_luma"] for row in rows if row["mean_luma"] is not None]
        limits = [config.min_mean_luma, config.max_mean_luma]
        return {
            "laplacian_var.png": histogram_png(
                sharpness, [config.min_laplacian_var], "Variance of the Laplacian", "luma squared"
            ),
            "mean_luma.png": histogram_png(luma, limits, "Mean luma", "0 to 255"),
        }

    return run_stage(context, store, STAGE, config.model_dump(), build, pictures)
