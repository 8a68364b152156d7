"""Asset checks between assembly and release: four block a release, three only warn."""

import dagster as dg

from assets.support.leak_pictures import side_by_side
from assets.support.resources import CollectionResource
from assets.support.stopped import stopped
from curation.assembly import audit
from curation.assembly.leaks import alike, leaks
from curation.assembly.statistics import SPLITS
from curation.assembly.worldtasks import picture_hashes
from curation.release.latest import latest_manifest
from curation.report.summaries import funnel, keep_rates, lost_words, markdown_funnel
from curation.stages import tables_of
from storage.notes import kept_note

DRIFT_TOLERANCE = 0.05  # of rows, absolute


def _result(problems: list[str], severity=dg.AssetCheckSeverity.ERROR, **metadata) -> dg.AssetCheckResult:
    shown = {"problems": dg.MetadataValue.json(problems[:50]), "number of problems": len(problems), **metadata}
    description = problems[0] if problems else None
    return dg.AssetCheckResult(passed=not problems, severity=severity, metadata=shown, description=description)


@dg.asset_check(
    asset="worldtasks", blocking=True, description="The assembled table has the right columns, nulls, ids and splits."
)
def schema_holds(collection: CollectionResource) -> dg.AssetCheckResult:
    # No report where it fails: a page of the wrong columns would be wrong too.
    return _result(audit.schema_problems(collection.store().worldtasks))


@dg.asset_check(
    asset="worldtasks",
    blocking=True,
    description="Each stage of each shard read exactly the rows that the stage before kept.",
)
def counts_add_up(context: dg.AssetCheckExecutionContext, collection: CollectionResource) -> dg.AssetCheckResult:
    store = collection.store()
    problems = audit.counts_problems(store)
    return _result(problems, **stopped(context, store, problems))


@dg.asset_check(
    asset="worldtasks",
    blocking=True,
    description="No source video (group_by) and no bytes are in both splits. Warns where images of both are alike.",
)
def no_leak(context: dg.AssetCheckExecutionContext, collection: CollectionResource) -> dg.AssetCheckResult:
    store = collection.store()
    problems = leaks(store.worldtasks, store.tables("clips"))
    similar = alike(store.worldtasks, picture_hashes(store))
    shown = {"alike": dg.MetadataValue.json([str(pair) for pair in similar[:50]]), "number of alike": len(similar)}
    if similar:
        shown["train beside bench"] = dg.MetadataValue.md(side_by_side(store, similar))
    # What is alike may be right: a person looks. A shared video is wrong.
    severity = dg.AssetCheckSeverity.ERROR if problems else dg.AssetCheckSeverity.WARN
    return _result([*problems, *map(str, similar)], severity, **shown, **stopped(context, store, problems))


@dg.asset_check(asset="worldtasks", description="The benchmark has as many pairs as the recipe asks for.")
def benchmark_size(collection: CollectionResource) -> dg.AssetCheckResult:
    # A table of an earlier version has none of these facts: it is made anew by the next run.
    facts = kept_note(collection.store().worldtasks_facts)
    problems = [facts["bench_shortfall"]] if facts.get("bench_shortfall") else []
    names = {"pairs asked for": "bench_target", "groups": "groups", "groups of the benchmark": "bench_groups"}
    shown = {said: facts[name] for said, name in names.items() if name in facts}
    return _result(problems, dg.AssetCheckSeverity.WARN, **shown)


@dg.asset_check(
    asset="worldtasks", blocking=True, description="Both splits have at least as many pairs as the recipe asks for."
)
def minimum_size(context: dg.AssetCheckExecutionContext, collection: CollectionResource) -> dg.AssetCheckResult:
    store = collection.store()
    sizes, problems = audit.split_sizes(store.worldtasks), audit.size_problems(store.worldtasks)
    shown = {f"{split} pairs": sizes.get(split, 0) for split in SPLITS}
    if problems:
        counts = funnel(tables_of(store))
        problems = [f"{'; '.join(problems)}. {lost_words(counts)}"]
        shown["funnel"] = dg.MetadataValue.md(markdown_funnel(counts))
    return _result(problems, **shown, **stopped(context, store, problems))


@dg.asset_check(asset="worldtasks", description="All shards are built with the same settings.")
def shards_complete(collection: CollectionResource) -> dg.AssetCheckResult:
    return _result(audit.shard_problems(collection.store()), dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset="worldtasks", description="Keep rates changed by at most 5 points since the last release.")
def keep_rates_steady(collection: CollectionResource) -> dg.AssetCheckResult:
    store = collection.store()
    before = latest_manifest(store).get("keep_rates", {})
    rates = keep_rates(funnel(tables_of(store)))
    shown = {f"{stage} keep rate": rate for stage, rate in rates.items()}
    return _result(audit.drift(rates, before, DRIFT_TOLERANCE), dg.AssetCheckSeverity.WARN, **shown)
