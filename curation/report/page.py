"""The collection's page: built anew when something that is on it has changed."""

import json
from typing import Any

from curation.report.code import CODE
from storage.collection import Store
from storage.damage import Damaged, tell
from storage.files import exclusive, sha256_bytes, sha256_file
from storage.notes import kept_note, write_note
from storage.tables import digest


def make_page(store: Store, tables: dict, facts: dict[str, Any]) -> None:
    """Builds `store.report` unless it is there for the same tables, facts and code."""
    sources = [digest(path) for paths in tables.values() for path in paths]
    fingerprint = sha256_bytes(json.dumps([CODE.version, facts, sources], sort_keys=True).encode())
    note = store.report_note
    with exclusive(store.lock("report")):
        before = kept_note(note)
        if store.report.exists() and before.get("fingerprint") == fingerprint:
            if before.get("page") in (None, sha256_file(store.report)):  # notes of before did not know the page's hash
                return
            tell(Damaged(store.report, "its bytes are not those that were written"), "it is made again")
        from curation.report.build import build_report

        build_report(tables, store.folder, store.report, facts)
        write_note(note, {"fingerprint": fingerprint, "page": sha256_file(store.report)})
