"""All shards' tasks as one table: near-duplicates removed, a benchmark held out, every dropped row with its reason."""

import json
import time
from pathlib import Path

import dagster as dg
from pydantic import field_validator

from assets.release.checks import all_tables
from assets.support.resources import CollectionResource
from curation.assembly.assemble import assemble
from curation.assembly.options import WorldtasksOptions, read_removal_list
from curation.report.summaries import funnel, markdown_funnel
from storage.collection import Store
from storage.files import exclusive, sha256_bytes, sha256_file, write_bytes
from storage.tables import read_meta

VERSION = "1"
# What only assembly knows: clusters of near-duplicates, the benchmark's wanted size, what train gave up for it, whether
# embeddings were compared, and how many ids of the removal list matched nothing.
ASSEMBLY = ("clusters", "bench_target", "excluded_by", "embeddings", "removal_unmatched")


class WorldtasksConfig(WorldtasksOptions, dg.Config):
    @field_validator("removed")
    @classmethod
    def _is_a_file(cls, value: str | None) -> str | None:
        if value and not Path(value).is_file():
            raise ValueError(f"removed {value!r} is not a file: give the list of ids, one a line")
        return value


def fingerprint(store: Store, config: WorldtasksOptions) -> str:
    """Of everything that decides the table: code, options, removal list and the tables it is made from."""
    sources = [sha256_file(path) for stage in ("clips", "aesthetics", "taxonomy") for path in store.tables(stage)]
    parts = [VERSION, config.model_dump(mode="json"), sorted(read_removal_list(config.removed)), sources]
    return sha256_bytes(json.dumps(parts, sort_keys=True).encode())


@dg.asset(
    deps=["clips", "aesthetics", "taxonomy"],
    group_name="release",
    kinds={"python", "parquet"},
    code_version=VERSION,
    description=__doc__,
)
def worldtasks(
    context: dg.AssetExecutionContext, config: WorldtasksConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    store = collection.store()
    if not store.tables("taxonomy"):
        raise dg.Failure("worldtasks needs taxonomy of at least one shard: build the shards first", allow_retries=False)
    with exclusive(store.lock("worldtasks")):
        meta = {
            "stage": "worldtasks",
            "options": config.model_dump(mode="json"),
            "fingerprint": fingerprint(store, config),
        }
        reused = read_meta(store.worldtasks).get("fingerprint") == meta["fingerprint"]
        if not reused:
            began = time.monotonic()
            inputs = [store.tables(stage) for stage in ("taxonomy", "clips", "aesthetics")]
            counts = assemble(*inputs, store.worldtasks, config, meta)
            facts = {name: counts[name] for name in ASSEMBLY}
            write_bytes(store.worldtasks.with_suffix(".json"), json.dumps(facts).encode())
            seconds = round(time.monotonic() - began, 3)
            write_bytes(store.timing("worldtasks"), json.dumps({"seconds": seconds}).encode())
    facts = json.loads(store.worldtasks.with_suffix(".json").read_text())
    if facts["removal_unmatched"]:
        context.log.warning(
            f"{facts['removal_unmatched']} ids of the removal list match nothing here: {config.removed}"
        )
    counts = funnel(all_tables(store))
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
