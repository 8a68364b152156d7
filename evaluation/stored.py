"""Evaluated runs and reports of a collection, as far as they are there."""

from collections.abc import Sequence
from pathlib import Path

from evaluation.records import JUDGEMENTS, MANIFEST
from storage.collection import Store

USUAL, PAGE = "worldtasks", "report.html"  # a report's folder, where it has no name of its own; the page in it
TABLE, FOLDERS = "table.json", ("dreamgen", "vbvr", "vbench")  # other benchmarks' tables in a run's folder


def with_file(store: Store, needed: str) -> list[str]:
    """All runs of the collection that have the file `needed`, by name."""
    return sorted(path.parent.name for path in store.evaluated_runs.glob(f"*/{needed}"))


def runs_of_report(store: Store, chosen: Sequence[str]) -> list[str]:
    """The runs on a page: those `chosen`, else all that are judged or have a table of another benchmark.

    Raises FileNotFoundError for a chosen one that is not there, and when there is none.
    """
    there = with_file(store, MANIFEST)
    tables = [path.parents[1].name for name in FOLDERS for path in store.evaluated_runs.glob(f"*/{name}/{TABLE}")]
    names = list(chosen) or sorted({*with_file(store, JUDGEMENTS), *tables})
    missing = sorted(set(names) - set(there))
    if missing or not names:
        what = f"run {missing[0]!r} is not" if missing else "no judged run is"
        known = ", ".join(there) or "none"
        raise FileNotFoundError(f"{what} in {store.evaluated_runs}. Judged runs: {known}")
    return names


def report_folder(store: Store, name: str) -> Path:
    """The folder of the report called `name`; the usual one when empty."""
    return store.evaluation / "reports" / (name or USUAL)
