"""One HTML page that shows every decision: funnel, thresholds, kept and rejected frames, tasks, tokens, time."""

import json

import dagster as dg

from assets.report.summaries import funnel, markdown_funnel, token_totals
from assets.resources import CollectionResource
from assets.worldtasks.checks import all_tables
from assets.worldtasks.facts import collection_facts


@dg.asset(deps=["published_dataset"], group_name="release", kinds={"python", "html"}, description=__doc__)
def curation_report(context: dg.AssetExecutionContext, collection: CollectionResource) -> dg.MaterializeResult:
    from assets.report.build import build_report

    store = collection.store()
    tables = all_tables(store)
    latest = store.published / "latest" / "manifest.json"
    facts = collection_facts(store) | {"version": json.loads(latest.read_text(encoding="utf-8"))["version"]}
    build_report(tables, store.folder, store.report, facts)
    tokens = token_totals(tables)["total"]
    return dg.MaterializeResult(
        metadata={
            "report": dg.MetadataValue.path(str(store.report)),
            "url": dg.MetadataValue.url(store.report.as_uri()),
            "funnel": dg.MetadataValue.md(markdown_funnel(funnel(tables))),
            "tokens": dg.MetadataValue.json(tokens),
            "bytes": store.report.stat().st_size,
        }
    )
