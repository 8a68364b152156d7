"""The combined quality score, and the cut that keeps its top 90 %.

The score joins the rank of an aesthetic scorer (CLIP ViT-L/14 with the LAION head, or colourfulness without any
weights) with the rank of sharpness and with exposure. Reference population and cut are kept in a file for each shard,
so that a later run ranks and cuts the same way.
"""

from pathlib import Path

import dagster as dg
from pydantic import Field

from assets.support.resources import CollectionResource
from assets.support.stage import Stage, run_stage, stage_asset
from curation.aesthetics.combine import ScoreWeights
from curation.aesthetics.options import AestheticsOptions
from curation.schemas import AESTHETICS
from storage.files import sweep
from storage.tables import kept_rows, read_rows

STAGE = Stage("aesthetics", AESTHETICS, version="1", upstream="quality")


class WeightsConfig(ScoreWeights, dg.Config):
    pass


class AestheticsConfig(AestheticsOptions, dg.Config):
    # Dagster's config wants nested blocks to be its own.
    weights: WeightsConfig = Field(WeightsConfig(), description=AestheticsOptions.model_fields["weights"].description)


# The pool, because the scorer `clip` takes the GPU where there is one.
@stage_asset(STAGE, kinds={"python", "pytorch", "parquet"}, description=__doc__, pool="gpu")
def aesthetics(
    context: dg.AssetExecutionContext, config: AestheticsConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    from curation.aesthetics.score import score_frames
    from curation.pictures import histogram_png

    store = collection.store()

    def build(shard: str) -> list[dict]:
        sweep(store.cut(shard).parent)
        rows = list(kept_rows(store.table("quality", shard)))
        return score_frames(rows, store.folder, config, store.cut(shard))

    def pictures(tables: list[Path]) -> dict[str, bytes]:
        rows = [row for table in tables for row in read_rows(table, ["score", "cut_score"]) if row["score"] is not None]
        scores, cuts = [row["score"] for row in rows], sorted({row["cut_score"] for row in rows})
        return {"score.png": histogram_png(scores, cuts, "Combined quality score and the shards' cuts", "0 to 1")}

    # The batch size decides no row.
    return run_stage(context, store, STAGE, config.model_dump(exclude={"batch_size"}), build, pictures)
