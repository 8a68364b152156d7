"""One HTML page over the evaluated runs, which needs no network: leaderboard, paired comparisons, curves, breakdowns,
side-by-side players with the judge's answers, ablation charts, and how far the judge can be trusted.
"""

from pathlib import Path
from typing import Any

import dagster as dg

from assets.support.asset import asset
from assets.support.evaluation.command import run_command
from assets.support.evaluation.options import ReportConfig
from assets.support.pictures import curves_picture
from assets.support.resources import CollectionResource
from assets.support.run_config import PARTITION, check_run_config
from evaluation.stored import PAGE, report_folder, runs_of_report
from storage.files import sha256_file
from training.reproduction.files import JSON as REPRODUCTION


@asset(group="evaluation", deps=["scores"], kinds={"python", "html"}, code_version="1")
def report(
    context: dg.AssetExecutionContext, config: ReportConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    check_run_config(context.run.run_config, context.run.tags.get(PARTITION))
    store = collection.store()
    try:
        names = runs_of_report(store, config.runs)
    except FileNotFoundError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    out = report_folder(store, config.name)
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


def in_short(out: Path) -> dict[str, dg.MetadataValue]:
    """What the page in the folder `out` says, as metadata: tables, why runs are not in them, the curves' picture."""
    from evaluation.report.summary import read_summary

    told = read_summary(out)
    found = {"table": told.table, "comparisons": told.comparisons, "curves": told.curves}
    if told.curves:
        found["curves over the paper's"] = curves_picture(told.charts)
    lists = {"not scored": told.not_scored, "not compared": list(told.not_compared), "no curves": list(told.no_curves)}
    shown = {name: dg.MetadataValue.md(text) for name, text in found.items() if text}
    return shown | {name: dg.MetadataValue.json(values) for name, values in lists.items() if values}
