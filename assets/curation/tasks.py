"""Eight task-solution pairs for every frame, from one structured request to the VLM.

T names who acts and the goal, `[Agent description]: instruction.`; D describes the whole motion. Every pair is checked
by named rules, and a dropped one stays in the table with the rule's name (the paper keeps 146,440 of 160,000).
"""

from pathlib import Path

import dagster as dg

from assets.support.resources import CollectionResource, VLMResource
from assets.support.stage import Stage, run_stage, stage_asset
from curation.schemas import TASKS
from curation.tasks.generate import TasksOptions, write_tasks
from models.vlm.ask_all import VLMSession
from storage.tables import kept_rows, read_rows

STAGE = Stage("tasks", TASKS, version="1", upstream="screening")


class TasksConfig(TasksOptions, dg.Config):
    pass


@stage_asset(STAGE, kinds={"python", "vlm", "parquet"}, description=__doc__, pool="gpu")
def tasks(
    context: dg.AssetExecutionContext, config: TasksConfig, collection: CollectionResource, vlm: VLMResource
) -> dg.MaterializeResult:
    from curation.pictures import bars_png

    store = collection.store()

    def build(shard: str) -> list[dict]:
        rows = kept_rows(store.table("screening", shard))
        return write_tasks(
            rows, store.folder, session.client, store.journal("tasks", shard), config, vlm.concurrency, session.run
        )

    def pictures(tables: list[Path]) -> dict[str, bytes]:
        reasons = [row["reason"] or "kept" for table in tables for row in read_rows(table, ["reason"])]
        names = sorted(set(reasons), key=lambda name: (-reasons.count(name), name))
        return {"pairs.png": bars_png(names, [reasons.count(name) for name in names], "Pairs kept and dropped by rule")}

    options = vlm.identity("tasks", config.prompt_version) | config.model_dump(exclude={"max_failed_share"})
    with VLMSession(vlm.build) as session:
        return run_stage(context, store, STAGE, options, build, pictures)
