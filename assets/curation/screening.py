"""Asks the VLM whether a frame suits agent-based video generation, and keeps the log-odds and the threshold used.

log p(yes) - log p(no) comes from the probabilities of the answer's first token. So another threshold can be tried
without asking again.
"""

from pathlib import Path

import dagster as dg

from assets.support.config_blocks import config_block
from assets.support.resources import CollectionResource, VLMResource
from assets.support.stage import run_stage, stage_asset
from curation.screening.options import ScreeningOptions
from curation.screening.screen import screen_frames
from curation.screening.stage import STAGE
from models.vlm.ask_all import VLMSession
from storage.tables import kept_rows

ScreeningConfig = config_block(ScreeningOptions)


@stage_asset(STAGE, kinds={"python", "vlm", "parquet"})
def screening(
    context: dg.AssetExecutionContext, config: ScreeningConfig, collection: CollectionResource, vlm: VLMResource
) -> dg.MaterializeResult:
    from curation.screening.pictures import pictures

    store = collection.store()

    def build(shard: str) -> list[dict]:
        rows, journal = kept_rows(store.table("aesthetics", shard)), store.journal("screening", shard)
        return screen_frames(
            rows, store.folder, session.client, journal, config, vlm.concurrency, session.run, session.tally
        )

    def draw(tables: list[Path]) -> dict[str, bytes]:
        return pictures(tables, config.threshold)

    options = vlm.identity("screening", config.prompt_version) | config.decisive()
    with VLMSession(vlm.build) as session:
        return run_stage(context, store, STAGE, options, build, draw)
