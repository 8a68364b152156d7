"""Each kept task's agent category and task type, read from its words alone by the VLM (the paper's Figure 3)."""

from collections import Counter
from pathlib import Path

import dagster as dg

from assets.support.resources import CollectionResource, VLMResource
from assets.support.stage import Stage, run_stage, stage_asset
from curation.schemas import TAXONOMY
from curation.taxonomy.classify import TaxonomyOptions, label_tasks
from models.vlm.ask_all import VLMSession
from storage.tables import kept_rows, read_rows

STAGE = Stage("taxonomy", TAXONOMY, version="1", upstream="tasks")


class TaxonomyConfig(TaxonomyOptions, dg.Config):
    pass


@stage_asset(STAGE, kinds={"python", "vlm", "parquet"}, description=__doc__, pool="gpu")
def taxonomy(
    context: dg.AssetExecutionContext, config: TaxonomyConfig, collection: CollectionResource, vlm: VLMResource
) -> dg.MaterializeResult:
    from curation.pictures import bars_png

    store = collection.store()

    def build(shard: str) -> list[dict]:
        rows = kept_rows(store.table("tasks", shard))
        return label_tasks(rows, session.client, store.journal("taxonomy", shard), config, vlm.concurrency, session.run)

    def pictures(tables: list[Path]) -> dict[str, bytes]:
        charts = {}
        for column, title in (("agent_category", "Agents addressed"), ("task_type", "Task types")):
            counts = Counter(row[column] for table in tables for row in read_rows(table, [column])).most_common()
            charts[f"{column}.png"] = bars_png([name for name, _ in counts], [count for _, count in counts], title)
        return charts

    options = vlm.identity("taxonomy", config.prompt_version) | config.model_dump(exclude={"max_failed_share"})
    with VLMSession(vlm.build) as session:
        return run_stage(context, store, STAGE, options, build, pictures)
