"""One HTML page that shows every decision: funnel, thresholds, kept and rejected frames, tasks, tokens, time."""

import dagster as dg

from assets.support.asset import asset
from assets.support.resources import CollectionResource
from curation.release.facts import collection_facts
from curation.release.latest import latest_manifest
from curation.report.code import CODE
from curation.report.page import make_page
from curation.report.summaries import funnel, markdown_funnel, token_totals
from curation.stages import tables_of


@asset(group="release", deps=["published_dataset"], kinds={"python", "html"}, code_version=CODE.version)
def curation_report(context: dg.AssetExecutionContext, collection: CollectionResource) -> dg.MaterializeResult:
    store = collection.store()
    tables = tables_of(store)
    make_page(store, tables, collection_facts(store) | {"version": latest_manifest(store)["version"]})
    return dg.MaterializeResult(
        metadata={
            "report": dg.MetadataValue.path(str(store.report)),
            "url": dg.MetadataValue.url(store.report.as_uri()),
            "funnel": dg.MetadataValue.md(markdown_funnel(funnel(tables))),
            "tokens": dg.MetadataValue.json(token_totals(tables)["total"]),
            "bytes": store.report.stat().st_size,
        }
    )
