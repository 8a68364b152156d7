"""Joins all shards' tasks in one table, removes near-duplicates, holds out a benchmark. Dropped rows keep a reason."""

from pathlib import Path

import dagster as dg
from pydantic import field_validator

from assets.support.asset import asset
from assets.support.resources import CollectionResource
from curation.assembly.code import CODE
from curation.assembly.options import WorldtasksOptions
from curation.assembly.worldtasks import make_worldtasks
from curation.report.summaries import funnel, markdown_funnel
from curation.stages import tables_of
from storage.files import sha256_file


class WorldtasksConfig(WorldtasksOptions, dg.Config):
    @field_validator("removed")
    @classmethod
    def _is_a_file(cls, value: str | None) -> str | None:
        if value and not Path(value).is_file():
            raise ValueError(f"removed {value!r} is not a file: give a text file of ids, one a line")
        return value


@asset(
    group="release", deps=["clips", "aesthetics", "taxonomy"], kinds={"python", "parquet"}, code_version=CODE.version
)
def worldtasks(
    context: dg.AssetExecutionContext, config: WorldtasksConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    store = collection.store()
    if not store.tables("taxonomy"):
        raise dg.Failure("no shard has a table of taxonomy: build at least one shard first", allow_retries=False)
    facts, reused = make_worldtasks(store, config)
    unmatched = facts["removal_unmatched"]
    if unmatched:
        context.log.warning(f"{unmatched} ids of the removal list {config.removed} match no row")
    if facts["bench_shortfall"]:
        context.log.warning(facts["bench_shortfall"])
    if facts["unreadable_pictures"]:
        context.log.warning(
            f"{facts['unreadable_pictures']} pictures cannot be read: whether they are mirrored or cropped copies of "
            "benchmark images was not looked at"
        )
    counts = funnel(tables_of(store))
    row = next(count for count in counts if count.stage == "worldtasks")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": row.rows_in,
            "kept": row.kept,
            "rejected": row.rejected,
            "reused": reused,
            "assembly": dg.MetadataValue.json(facts),
            "funnel": dg.MetadataValue.md(markdown_funnel(counts)),
            "table": dg.MetadataValue.path(str(store.worldtasks)),
        },
        data_version=dg.DataVersion(sha256_file(store.worldtasks)[:16]),
    )
