"""Each kept task's agent category and task type, as the VLM reads them from the text alone (the paper's Figure 3)."""

import dagster as dg

from assets.support.config_blocks import config_block
from assets.support.resources import CollectionResource, VLMResource
from assets.support.stage import run_stage, stage_asset
from curation.taxonomy.classify import label_tasks
from curation.taxonomy.options import TaxonomyOptions
from curation.taxonomy.stage import STAGE
from models.vlm.ask_all import VLMSession
from storage.tables import kept_rows

TaxonomyConfig = config_block(TaxonomyOptions)


@stage_asset(STAGE, kinds={"python", "vlm", "parquet"})
def taxonomy(
    context: dg.AssetExecutionContext, config: TaxonomyConfig, collection: CollectionResource, vlm: VLMResource
) -> dg.MaterializeResult:
    from curation.taxonomy.pictures import pictures

    store = collection.store()

    def build(shard: str) -> list[dict]:
        rows, journal = kept_rows(store.table("tasks", shard)), store.journal("taxonomy", shard)
        return label_tasks(rows, session.client, journal, config, vlm.concurrency, session.run, session.tally)

    options = vlm.identity("taxonomy", config.prompt_version) | config.decisive()
    with VLMSession(vlm.build) as session:
        return run_stage(context, store, STAGE, options, build, pictures)
