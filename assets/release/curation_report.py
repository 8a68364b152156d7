"""One HTML page that shows every decision: funnel, thresholds, kept and rejected frames, tasks, tokens, time."""

import dagster as dg

from assets.support.asset import asset
from assets.support.resources import CollectionResource
from curation.assembly.split_words import split_words
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
    manifest = latest_manifest(store)
    split = split_words(manifest["statistics"], manifest["assembly"])
    make_page(store, tables, collection_facts(store) | {"version": manifest["version"], "split": split})
    return dg.MaterializeResult(
        metadata={
            "report": dg.MetadataValue.path(str(store.report)),
            "url": dg.MetadataValue.url(store.report.as_uri()),
            "funnel": dg.MetadataValue.md(markdown_funnel(funnel(tables))),
            "tokens": dg.MetadataValue.json(token_totals(tables)["total"]),
            "bytes": store.report.stat().st_size,
        }
    )
