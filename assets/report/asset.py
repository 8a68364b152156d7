"""One HTML page that shows every decision: funnel, thresholds, kept and rejected frames, tasks, taxonomy, tokens, time."""

import dagster as dg

from assets.report.summaries import funnel, markdown_funnel, token_totals
from assets.resources import CollectionResource, VLMResource
from assets.stage import picture_metadata
from assets.worldtasks.checks import all_tables
from assets.worldtasks.facts import collection_facts


@dg.asset(deps=["published_dataset"], group_name="release", kinds={"python", "html"}, description=__doc__)
def curation_report(context: dg.AssetExecutionContext, collection: CollectionResource) -> dg.MaterializeResult:
    from assets.report.build import build_report

    store = collection.store()
    tables = all_tables(store)
    built = build_report(tables, store.folder, store.report, collection_facts(store))
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
