"""Runs `evaluate_worldtasks`, `evaluate_dreamgen` or `evaluate_vbvr` for a recipe and names what came out last.

    python -m pipelines.evaluate recipes/microworld_evaluation.yaml
    python -m pipelines.evaluate recipes/ltx2_evaluation.yaml

It checks the recipe strictly, tells Dagster the names of its runs (partitions), and runs the plain Dagster command
(which it prints) for all of them together, so that a model is loaded once.
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


def side_by_side(instance: dg.DagsterInstance, names: Sequence[str]) -> tuple[str, str]:
    """The first and the last of the partitions `names` in Dagster's order, which then holds no other in between.

    New ones are added. Where others stand between, these are listed anew, at the end: what was recorded of them stays.
    """
    partitions = EVALUATION_RUNS.name
    instance.add_dynamic_partitions(partitions, names)
    places = [place for place, key in enumerate(instance.get_dynamic_partitions(partitions)) if key in names]
    if places[-1] - places[0] + 1 != len(places):
        for name in names:
            instance.delete_dynamic_partition(partitions, name)
        instance.add_dynamic_partitions(partitions, names)
    ordered = [key for key in instance.get_dynamic_partitions(partitions) if key in names]
    return ordered[0], ordered[-1]


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
        tags = dict(zip(RANGE, side_by_side(instance, names), strict=True))
    status = run_job(job_of(config), recipe, ["--tags", json.dumps(tags)])
    if status != 0:
        return status
    print(f"\n{made(config)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
