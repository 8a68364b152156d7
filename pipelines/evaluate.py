"""Runs evaluate_worldtasks, evaluate_dreamgen or evaluate_vbvr for a recipe.

    python -m pipelines.evaluate recipes/microworld_evaluation.yaml
    python -m pipelines.evaluate recipes/ltx2_evaluation.yaml

It checks the recipe strictly and adds the names of its runs to Dagster's partitions. Then it prints and runs the plain
Dagster command for all of them together, so that each model is loaded once. If partitions of other recipes lie between
them, it starts one Dagster run for each contiguous block. At the end it prints the report's path or the tables.
"""

import os
import sys

import dagster as dg

from assets.support.evaluation.curves import lacking, points
from assets.support.evaluation.options import GeneratedVideosConfig, ReportConfig
from assets.support.evaluation.partitions import EVALUATION_RUNS
from evaluation.stored import PAGE, report_folder
from pipelines.commands import ROOT, read_recipe, recipe_parser, run_job
from pipelines.partition_tags import stretches, tags_of
from pipelines.recipes import job_of, store_of


def instance_of_commands() -> dg.DagsterInstance:
    """The instance that `dagster job execute` uses here: DAGSTER_HOME's, else that of the repository's dagster.yaml."""
    return dg.DagsterInstance.get() if os.environ.get("DAGSTER_HOME") else dg.DagsterInstance.from_config(str(ROOT))


def names_of(config: dict) -> list[str]:
    """The runs of a recipe: its rows, and those points of its curves that are already trained."""
    options, store = GeneratedVideosConfig(**config["ops"]["generated_videos"]["config"]), store_of(config)
    return [run.name for run in options.runs] + list(points(store, options))


def made(config: dict) -> str:
    """The report's path, or the benchmark's tables."""
    store = store_of(config)
    if job_of(config) == "evaluate_worldtasks":
        options = ReportConfig(**(config["ops"].get("report") or {}).get("config", {}))
        return f"Report: {report_folder(store, options.name) / PAGE}"
    folder = {"evaluate_dreamgen": "dreamgen", "evaluate_vbvr": "vbvr"}[job_of(config)]
    names = names_of(config)
    tables = [(store.evaluated(name) / folder / "table.md").read_text(encoding="utf-8") for name in names]
    return "\n".join(f"{name}\n{table}" for name, table in zip(names, tables, strict=True))


def main() -> int:
    recipe = recipe_parser(__doc__).parse_args().recipe
    config = read_recipe(recipe, "evaluate")
    names = names_of(config)
    for what in lacking(store_of(config), GeneratedVideosConfig(**config["ops"]["generated_videos"]["config"])):
        print(f"{what}. The missing points are left out. Train first: make train RECIPE=...", file=sys.stderr)
    with instance_of_commands() as instance:
        instance.add_dynamic_partitions(EVALUATION_RUNS.name, names)
        parts = stretches(instance.get_dynamic_partitions(EVALUATION_RUNS.name), names)
    for tags in tags_of(parts):
        status = run_job(job_of(config), recipe, tags)
        if status != 0:
            return status
    print(f"\n{made(config)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
