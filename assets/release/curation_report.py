"""One HTML page that shows every decision: funnel, thresholds, kept and rejected frames, tasks, tokens, time."""

import json
from pathlib import Path
from typing import Any

import dagster as dg

from assets.release.checks import all_tables
from assets.support.resources import CollectionResource
from curation.release.facts import collection_facts
from curation.report.summaries import funnel, markdown_funnel, token_totals
from storage.collection import Store
from storage.files import exclusive, sha256_bytes, sha256_file, write_bytes

# Changes when the same tables give another page.
VERSION = "2"


def build_once(store: Store, tables: dict[str, list[Path]], facts: dict[str, Any]) -> None:
    """Builds the page unless it is there for the same tables and facts."""
    sources = [sha256_file(path) for paths in tables.values() for path in paths]
    fingerprint = sha256_bytes(json.dumps([VERSION, facts, sources], sort_keys=True).encode())
    note = store.report.with_suffix(".json")
    if store.report.exists() and note.exists() and json.loads(note.read_text()) == {"fingerprint": fingerprint}:
        return
    from curation.report.build import build_report

    build_report(tables, store.folder, store.report, facts)
    write_bytes(note, json.dumps({"fingerprint": fingerprint}).encode())


@dg.asset(
    deps=["published_dataset"],
    group_name="release",
    kinds={"python", "html"},
    code_version=VERSION,
    description=__doc__,
)
def curation_report(context: dg.AssetExecutionContext, collection: CollectionResource) -> dg.MaterializeResult:
    store = collection.store()
    tables = all_tables(store)
    latest = store.published / "latest" / "manifest.json"
    facts = collection_facts(store) | {"version": json.loads(latest.read_text(encoding="utf-8"))["version"]}
    with exclusive(store.lock("report")):
        build_once(store, tables, facts)
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
