"""The collection's page: built anew when something that is on it has changed."""

import json
from typing import Any

from curation.report.code import CODE
from storage.collection import Store
from storage.files import exclusive, sha256_bytes, sha256_file, write_bytes


def make_page(store: Store, tables: dict, facts: dict[str, Any]) -> None:
    """Builds `store.report` unless it is there for the same tables, facts and code."""
    sources = [sha256_file(path) for paths in tables.values() for path in paths]
    fingerprint = sha256_bytes(json.dumps([CODE.version, facts, sources], sort_keys=True).encode())
    note = store.report_note
    with exclusive(store.lock("report")):
        if store.report.exists() and note.exists() and json.loads(note.read_text()) == {"fingerprint": fingerprint}:
            return
        from curation.report.build import build_report

        build_report(tables, store.folder, store.report, facts)
        write_bytes(note, json.dumps({"fingerprint": fingerprint}).encode())
