"""One HTML page that shows every decision: funnel, thresholds, kept and rejected frames, tasks, tokens, time."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import dagster as dg

from assets.support.asset import asset
from assets.support.resources import CollectionResource
from curation.assembly.split_words import split_words
from curation.release.facts import collection_facts
from curation.release.latest import latest_manifest
from curation.report.code import CODE
from curation.report.page import make_page
from curation.report.summaries import StageCount, funnel, markdown_funnel, token_totals
from curation.stages import tables_of


def release_facts(manifest: Mapping[str, Any], counts: Sequence[StageCount]) -> dict[str, str]:
    """What the page says of the latest release: its version and split, or that the tables are no release."""
    if not manifest:
        return {"not_published": "no release has been made."}
    if manifest["facts"].get("funnel") != [asdict(count) for count in counts]:
        return {"not_published": f"the latest release, {manifest['version']}, was made of other rows."}
    return {"version": manifest["version"], "split": split_words(manifest["statistics"], manifest["assembly"])}


@asset(group="release", deps=["published_dataset"], kinds={"python", "html"}, code_version=CODE.version)
def curation_report(context: dg.AssetExecutionContext, collection: CollectionResource) -> dg.MaterializeResult:
    store = collection.store()
    tables = tables_of(store)
    counts = funnel(tables)
    make_page(store, tables, collection_facts(store) | release_facts(latest_manifest(store), counts))
    return dg.MaterializeResult(
        metadata={
            "report": dg.MetadataValue.path(str(store.report)),
            "url": dg.MetadataValue.url(store.report.as_uri()),
            "funnel": dg.MetadataValue.md(markdown_funnel(counts)),
            "tokens": dg.MetadataValue.json(token_totals(tables)["total"]),
            "bytes": store.report.stat().st_size,
        }
    )
