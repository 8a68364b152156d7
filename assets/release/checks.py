"""Asset checks between assembly and release: four block a release, three only warn."""

import json

import dagster as dg

from assets.support.resources import CollectionResource
from curation.assembly.audit import (
    counts_problems,
    drift,
    schema_problems,
    shard_problems,
    size_problems,
    split_sizes,
)
from curation.assembly.leaks import Alike, alike, leaks
from curation.assembly.statistics import SPLITS
from curation.assembly.worldtasks import picture_hashes
from curation.drawing import contact_sheet_jpeg
from curation.release.latest import latest_manifest
from curation.report.summaries import funnel, keep_rates
from curation.stages import tables_of
from pages.pictures import inline
from storage.collection import Store
from storage.files import confined

DRIFT_TOLERANCE = 0.05  # of rows, absolute
PAIRS_SHOWN, TILE_PX = 6, 160


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
    asset="worldtasks",
    blocking=True,
    description="No source video (group_by) and no bytes are in both splits. Warns where images of both are alike.",
)
def no_leak(collection: CollectionResource) -> dg.AssetCheckResult:
    store = collection.store()
    problems = leaks(store.worldtasks, store.tables("clips"))
    similar = alike(store.worldtasks, picture_hashes(store))
    shown = {"alike": dg.MetadataValue.json([str(pair) for pair in similar[:50]]), "number of alike": len(similar)}
    if similar:
        shown["train beside bench"] = dg.MetadataValue.md(_beside(store, similar[:PAIRS_SHOWN]))
    # What is alike may be right: a person looks. A shared video is wrong.
    severity = dg.AssetCheckSeverity.ERROR if problems else dg.AssetCheckSeverity.WARN
    return _result([*problems, *map(str, similar)], severity, **shown)


def _beside(store: Store, pairs: list[Alike]) -> str:
    """Markdown with each pair's pictures side by side."""
    images = [image for pair in pairs for image in (pair.train_image, pair.bench_image)]
    captions = [caption for pair in pairs for caption in (f"train {pair.train}", f"bench {pair.bench}")]
    sheet = contact_sheet_jpeg([confined(store.folder, image) for image in images], 4, TILE_PX, captions)
    return inline("train images beside the benchmark images that they are like", sheet)


@dg.asset_check(asset="worldtasks", description="The benchmark has as many pairs as the recipe asks for.")
def benchmark_size(collection: CollectionResource) -> dg.AssetCheckResult:
    facts = json.loads(collection.store().worldtasks_facts.read_text())
    problems = [facts["bench_shortfall"]] if facts["bench_shortfall"] else []
    shown = {"pairs asked for": facts["bench_target"], "groups of the benchmark": facts["bench_groups"]}
    return _result(problems, dg.AssetCheckSeverity.WARN, **shown, groups=facts["groups"])


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
