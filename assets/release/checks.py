"""Asset checks between assembly and release: four block a release, two only warn."""

import dagster as dg

from assets.support.resources import CollectionResource
from curation.assembly.audit import (
    counts_problems,
    drift,
    leaks,
    schema_problems,
    shard_problems,
    size_problems,
    split_sizes,
)
from curation.assembly.statistics import SPLITS
from curation.release.latest import latest_manifest
from curation.report.summaries import funnel, keep_rates
from curation.stages import tables_of

DRIFT_TOLERANCE = 0.05  # of rows, absolute


def _result(problems: list[str], severity=dg.AssetCheckSeverity.ERROR, **metadata) -> dg.AssetCheckResult:
    shown = {"problems": dg.MetadataValue.json(problems[:50]), "number of problems": len(problems), **metadata}
    description = problems[0] if problems else None
    return dg.AssetCheckResult(passed=not problems, severity=severity, metadata=shown, description=description)


@dg.asset_check(
    asset="worldtasks", blocking=True, description="The assembled table has the right columns, nulls, ids and splits."
)
def schema_holds(collection: CollectionResource) -> dg.AssetCheckResult:
    return _result(schema_problems(collection.store().worldtasks))


@dg.asset_check(
    asset="worldtasks",
    blocking=True,
    description="Each stage of each shard read exactly the rows that the stage before kept.",
)
def counts_add_up(collection: CollectionResource) -> dg.AssetCheckResult:
    return _result(counts_problems(collection.store()))


@dg.asset_check(
    asset="worldtasks", blocking=True, description="No image or near-duplicate of the benchmark is in the train split."
)
def no_leak(collection: CollectionResource) -> dg.AssetCheckResult:
    return _result(leaks(collection.store().worldtasks))


@dg.asset_check(
    asset="worldtasks", blocking=True, description="Both splits have at least as many pairs as the recipe asks for."
)
def minimum_size(collection: CollectionResource) -> dg.AssetCheckResult:
    worldtasks = collection.store().worldtasks
    sizes = split_sizes(worldtasks)
    return _result(size_problems(worldtasks), **{f"{split} pairs": sizes.get(split, 0) for split in SPLITS})


@dg.asset_check(asset="worldtasks", description="All shards are built with the same settings.")
def shards_complete(collection: CollectionResource) -> dg.AssetCheckResult:
    return _result(shard_problems(collection.store()), dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset="worldtasks", description="Keep rates changed by at most 5 points since the last release.")
def keep_rates_steady(collection: CollectionResource) -> dg.AssetCheckResult:
    store = collection.store()
    before = latest_manifest(store).get("keep_rates", {})
    rates = keep_rates(funnel(tables_of(store)))
    shown = {f"{stage} keep rate": rate for stage, rate in rates.items()}
    return _result(drift(rates, before, DRIFT_TOLERANCE), dg.AssetCheckSeverity.WARN, **shown)
