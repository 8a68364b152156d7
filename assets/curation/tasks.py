"""Eight task-solution pairs for every frame, from one structured request to the VLM.

T names who acts and the goal: `[Agent description]: instruction.` D describes the whole motion. Every pair is checked
by named rules. A dropped pair stays in the table with the rule's name. (The paper keeps 146,440 of 160,000.)
"""

import dagster as dg

from assets.support.config_blocks import config_block
from assets.support.resources import CollectionResource, VLMResource
from assets.support.stage import run_stage, stage_asset
from curation.tasks.generate import write_tasks
from curation.tasks.options import TasksOptions
from curation.tasks.stage import STAGE
from models.vlm.ask_all import VLMSession
from storage.tables import kept_rows

TasksConfig = config_block(TasksOptions)


@stage_asset(STAGE, kinds={"python", "vlm", "parquet"})
def tasks(
    context: dg.AssetExecutionContext, config: TasksConfig, collection: CollectionResource, vlm: VLMResource
) -> dg.MaterializeResult:
    from curation.tasks.pictures import pictures

    store = collection.store()

    def build(shard: str) -> list[dict]:
        rows, journal = kept_rows(store.table("screening", shard)), store.journal("tasks", shard)
        return write_tasks(
            rows, store.folder, session.client, journal, config, vlm.concurrency, session.run, session.tally
        )

    options = vlm.identity("tasks", config.prompt_version) | config.decisive()
    with VLMSession(vlm.build) as session:
        return run_stage(context, store, STAGE, options, build, pictures)
