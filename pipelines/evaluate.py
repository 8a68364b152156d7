"""Runs `evaluate_worldtasks`, `evaluate_dreamgen` or `evaluate_vbvr` for a recipe and names what came out last.

    python -m pipelines.evaluate recipes/microworld_evaluation.yaml
    python -m pipelines.evaluate recipes/ltx2_evaluation.yaml

It checks the recipe strictly, tells Dagster the names of its runs (partitions), and runs the plain Dagster command
(which it prints) for all of them together; in parts where Dagster knows other runs in between.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
from pydantic import ValidationError

from assets.benchmarks.options import ReportConfig
from assets.benchmarks.partitions import EVALUATION_RUNS, RANGE
from assets.benchmarks.report import report_folder
from assets.resources import CollectionResource
from evaluation.report.build import PAGE
from pipelines.build import ROOT
from pipelines.recipes import job_of
from pipelines.train import checked, run_job

JOBS = ("evaluate_worldtasks", "evaluate_dreamgen", "evaluate_vbvr")


def blocks(known: Sequence[str], wanted: Sequence[str]) -> list[tuple[str, str]]:
    """(first, last) of each stretch of `known`, Dagster's order of partitions, that holds nothing but `wanted` ones."""
    found: list[tuple[str, str]] = []
    before = False
    for name in known:
        if name in wanted:
            found = [*found[:-1], (found[-1][0], name)] if before else [*found, (name, name)]
        before = name in wanted
    return found


def instance_of_commands() -> dg.DagsterInstance:
    """The instance that `dagster job execute` uses here: DAGSTER_HOME's, else that of the repository's dagster.yaml."""
    return dg.DagsterInstance.get() if os.environ.get("DAGSTER_HOME") else dg.DagsterInstance.from_config(str(ROOT))


def made(config: dict) -> str:
    """What a finished run is to be looked at in."""
    store = CollectionResource(**config.get("resources", {}).get("collection", {}).get("config", {})).store()
    if job_of(config) == "evaluate_worldtasks":
        options = ReportConfig(**(config["ops"].get("report") or {}).get("config", {}))
        return f"Report: {report_folder(store, options) / PAGE}"
    folder = {"evaluate_dreamgen": "dreamgen", "evaluate_vbvr": "vbvr"}[job_of(config)]
    names = [run["name"] for run in config["ops"]["generated_videos"]["config"]["runs"]]
    tables = [(store.evaluated(name) / folder / "table.md").read_text(encoding="utf-8") for name in names]
    return "\n".join(f"{name}\n{table}" for name, table in zip(names, tables, strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help="run config in YAML")
    recipe = parser.parse_args().recipe
    os.chdir(ROOT)  # dagster.yaml is read from the working folder
    try:
        config = checked(recipe, JOBS)
    except (ValueError, ValidationError, dg.DagsterInvalidConfigError) as error:
        print(f"{recipe}: {error}", file=sys.stderr)
        return 2
    names = [run["name"] for run in config["ops"]["generated_videos"]["config"]["runs"]]
    with instance_of_commands() as instance:
        instance.add_dynamic_partitions(EVALUATION_RUNS.name, names)
        known = instance.get_dynamic_partitions(EVALUATION_RUNS.name)
    for first, last in blocks(known, names):
        status = run_job(job_of(config), recipe, ["--tags", json.dumps(dict(zip(RANGE, (first, last), strict=True)))])
        if status != 0:
            return status
    print(f"\n{made(config)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
