"""Asset checks between assembly and release: four that block a release, two that warn."""

import json
from collections.abc import Sequence

import dagster as dg

from assets.support.resources import CollectionResource
from curation.assembly.audit import counts_problems, drift, schema_problems, shard_problems, split_sizes
from curation.assembly.split import leaks
from curation.report.summaries import StageCount, funnel
from storage.collection import STAGES, Store
from storage.tables import read_meta

DRIFT_TOLERANCE = 0.05  # of rows, absolute


def _result(problems: list[str], severity=dg.AssetCheckSeverity.ERROR, **metadata) -> dg.AssetCheckResult:
    shown = {"problems": dg.MetadataValue.json(problems[:50]), "number of problems": len(problems), **metadata}
    description = problems[0] if problems else None
    return dg.AssetCheckResult(passed=not problems, severity=severity, metadata=shown, description=description)


def all_tables(store: Store) -> dict:
    """Every stage's existing tables, by stage, for funnel and report."""
    tables = {stage: store.tables(stage) for stage in STAGES}
    return tables | ({"worldtasks": [store.worldtasks]} if store.worldtasks.exists() else {})


def keep_rates(counts: Sequence[StageCount]) -> dict[str, float]:
    """Each stage's share of kept rows, 0..1; stages without rows are left out."""
    return {count.stage: count.keep_rate for count in counts if count.keep_rate is not None}


@dg.asset_check(asset="worldtasks", blocking=True, description="Columns, nulls, ids and splits of the assembled table.")
def schema_holds(collection: CollectionResource) -> dg.AssetCheckResult:
    return _result(schema_problems(collection.store().worldtasks))


@dg.asset_check(
    asset="worldtasks", blocking=True, description="Each stage of each shard got exactly the rows the one before kept."
)
def counts_add_up(collection: CollectionResource) -> dg.AssetCheckResult:
    return _result(counts_problems(collection.store()))


@dg.asset_check(
    asset="worldtasks", blocking=True, description="No image or near-duplicate of the benchmark is in the train split."
)
def no_leak(collection: CollectionResource) -> dg.AssetCheckResult:
    return _result(leaks(collection.store().worldtasks))


@dg.asset_check(asset="worldtasks", blocking=True, description="Both splits have the least number of pairs asked for.")
def minimum_size(collection: CollectionResource) -> dg.AssetCheckResult:
    worldtasks = collection.store().worldtasks
    options, sizes = read_meta(worldtasks)["options"], split_sizes(worldtasks)
    least = {"train": options["min_train_pairs"], "bench": options["min_bench_pairs"]}
    problems = [
        f"{split} has {sizes.get(split, 0)} pairs, at least {wanted} are asked for (min_{split}_pairs)"
        for split, wanted in least.items()
        if sizes.get(split, 0) < wanted
    ]
    return _result(problems, **{f"{split} pairs": sizes.get(split, 0) for split in least})


@dg.asset_check(asset="worldtasks", description="All shards are built, with the same settings.")
def shards_complete(collection: CollectionResource) -> dg.AssetCheckResult:
    return _result(shard_problems(collection.store()), dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset="worldtasks", description="Keep rates moved by at most 5 points since the last release.")
def keep_rates_steady(collection: CollectionResource) -> dg.AssetCheckResult:
    store = collection.store()
    latest = store.published / "latest" / "manifest.json"
    before = json.loads(latest.read_text()).get("keep_rates", {}) if latest.exists() else {}
    rates = keep_rates(funnel(all_tables(store)))
    shown = {f"{stage} keep rate": rate for stage, rate in rates.items()}
    return _result(drift(rates, before, DRIFT_TOLERANCE), dg.AssetCheckSeverity.WARN, **shown)
