"""The VLM is asked whether a frame suits agent-based video generation; kept as a log-odds with the threshold used.

log p(yes) - log p(no) comes from the probabilities of the answer's first token, so that another threshold can be tried
without asking again.
"""

from pathlib import Path

import dagster as dg

from assets.support.resources import CollectionResource, VLMResource
from assets.support.stage import Stage, run_stage, stage_asset
from curation.schemas import SCREENING
from curation.screening.screen import ScreeningOptions, screen_frames
from models.vlm.ask_all import VLMSession
from storage.tables import kept_rows, read_rows

STAGE = Stage("screening", SCREENING, version="1", upstream="aesthetics")


class ScreeningConfig(ScreeningOptions, dg.Config):
    pass


@stage_asset(STAGE, kinds={"python", "vlm", "parquet"}, description=__doc__, pool="gpu")
def screening(
    context: dg.AssetExecutionContext, config: ScreeningConfig, collection: CollectionResource, vlm: VLMResource
) -> dg.MaterializeResult:
    from curation.pictures import histogram_png

    store = collection.store()

    def build(shard: str) -> list[dict]:
        rows = kept_rows(store.table("aesthetics", shard))
        journal = store.journal("screening", shard)
        return screen_frames(rows, store.folder, session.client, journal, config, vlm.concurrency, session.run)

    def pictures(tables: list[Path]) -> dict[str, bytes]:
        rows = [row["log_odds"] for table in tables for row in read_rows(table, ["log_odds"])]
        values = [value for value in rows if value is not None]
        return {"log_odds.png": histogram_png(values, [config.threshold], "Screening log-odds", "nats")}

    options = vlm.identity("screening", config.prompt_version) | config.model_dump(exclude={"max_failed_share"})
    with VLMSession(vlm.build) as session:
        return run_stage(context, store, STAGE, options, build, pictures)
