"""One HTML page over the evaluated runs, without network: leaderboard, paired comparisons, curves over the paper's,
breakdowns, side-by-side players with the judge's answers, ablation charts, and how far the judge can be trusted.
"""

from pathlib import Path
from typing import Any

import dagster as dg

from assets.support.evaluation.command import run_command
from assets.support.evaluation.options import ReportConfig
from assets.support.evaluation.partitions import with_file
from assets.support.evaluation.pictures import curves_picture
from assets.support.resources import CollectionResource
from assets.support.run_config import PARTITION, check_run_config
from evaluation.records import JUDGEMENTS, MANIFEST
from evaluation.report.build import PAGE
from evaluation.report.others import FOLDERS, TABLE
from evaluation.report.summary import read_summary
from storage.collection import Store
from storage.files import sha256_file
from training.reproduction.files import JSON as REPRODUCTION

USUAL = "worldtasks"


@dg.asset(
    deps=["scores"],
    group_name="evaluation",
    kinds={"python", "html"},
    code_version="1",
    pool="report",  # one at a time: a page of all runs takes longer than the child's lock is waited for
    description=__doc__,
)
def report(
    context: dg.AssetExecutionContext, config: ReportConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    check_run_config(context.run.run_config, context.run.tags.get(PARTITION))
    store = collection.store()
    names = shown(store, config)
    out = report_folder(store, config)
    ablations = store.training / "reproduction" / REPRODUCTION
    options = {
        "runs": [str(store.evaluated(name)) for name in names],
        "output": str(out),
        "title": config.title,
        "reference": config.reference,
        "exact_judge": config.exact_judge,
        "expected": config.expected,
        "reproduction": str(ablations) if config.reproduction and ablations.is_file() else "",
    }
    run_command(context, store, "evaluation.report", options, [f"report {out.name}"], config.grace_s)
    page = out / PAGE
    metadata: dict[str, Any] = {
        "report": dg.MetadataValue.path(str(page)),
        "url": dg.MetadataValue.url(page.as_uri()),
        "runs": ", ".join(names),
        "bytes": page.stat().st_size,
    }
    metadata |= in_short(out)
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(sha256_file(page)[:16]))


def shown(store: Store, config: ReportConfig) -> list[str]:
    """The runs on the page. Raises dagster.Failure for a named one that is not there, and when there is none."""
    there = with_file(store, MANIFEST)
    names = list(config.runs) or sorted({*with_file(store, JUDGEMENTS), *with_tables(store)})
    missing = sorted(set(names) - set(there))
    if missing or not names:
        what = f"run {missing[0]!r} is not" if missing else "no judged run is"
        known = ", ".join(there) or "none"
        raise dg.Failure(f"{what} in {store.evaluation / 'runs'}; there are: {known}", allow_retries=False)
    return names


def with_tables(store: Store) -> list[str]:
    """The runs with a table of another benchmark."""
    runs = store.evaluation / "runs"
    return [path.parents[1].name for folder in FOLDERS for path in runs.glob(f"*/{folder}/{TABLE}")]


def report_folder(store: Store, config: ReportConfig) -> Path:
    return store.evaluation / "reports" / (config.name or USUAL)


def in_short(out: Path) -> dict[str, dg.MetadataValue]:
    """What the page in the folder `out` says, as metadata: tables, why runs are not in them, the curves' picture."""
    told = read_summary(out)
    found = {"table": told.table, "comparisons": told.comparisons, "curves": told.curves}
    if told.curves:
        found["curves over the paper's"] = curves_picture(told.charts)
    lists = {"not scored": told.not_scored, "not compared": list(told.not_compared), "no curves": list(told.no_curves)}
    shown = {name: dg.MetadataValue.md(text) for name, text in found.items() if text}
    return shown | {name: dg.MetadataValue.json(values) for name, values in lists.items() if values}
