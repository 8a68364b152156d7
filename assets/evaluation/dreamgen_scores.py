"""DreamGen Bench of evaluated runs: instruction following in both published modes, physics, a table with intervals.

Videos are put under the benchmark's own names with a manifest, for its own scripts and for VideoPhy; our judge answers
its questions; the table names its denominators and is refused where samples are missing. docs/benchmarks.md says more.
"""

import json
from pathlib import Path

import dagster as dg

from assets.support.config_blocks import plain
from assets.support.evaluation.command import run_command
from assets.support.evaluation.options import DreamgenScoresConfig
from assets.support.evaluation.partitions import EVALUATION_RUNS, Recorded, made_names, recorded
from assets.support.resources import CollectionResource
from assets.support.run_config import PARTITION, check_run_config
from evaluation.benchmarks.dreamgen.options import DreamgenTableOptions
from storage.files import sha256_file

STEPS = ("export", "score", "table")


@dg.asset(
    deps=["generated_videos"],
    partitions_def=EVALUATION_RUNS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="evaluation",
    kinds={"python"},
    code_version="1",
    pool="gpu",
    description=__doc__,
)
def dreamgen_scores(
    context: dg.AssetExecutionContext, config: DreamgenScoresConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    check_run_config(context.run.run_config, context.run.tags.get(PARTITION))
    store = collection.store()
    found = {}
    for name in made_names(context, store):
        for step in STEPS:
            options = step_options(config, name, store.evaluated(name), step)
            run_command(context, store, "evaluation.benchmarks.dreamgen", options, [name], config.grace_s)
        found[name] = described(store.evaluated(name) / "dreamgen")
    return recorded(context, found)


def step_options(config: DreamgenScoresConfig, name: str, folder: Path, step: str) -> dict:
    """The options of `python -m evaluation.benchmarks.dreamgen` for one step on one run."""
    shared = plain(config)
    options = {"step": step, "run": str(folder)}
    options |= {one: shared[one] for one in DreamgenTableOptions.model_fields}
    if name in config.videophy:
        options |= {"videophy": config.videophy[name], "videophy_version": config.videophy_version}
    return options


def described(place: Path) -> Recorded:
    """Metadata of a folder with table.json and table.md."""
    table = json.loads((place / "table.json").read_text(encoding="utf-8"))
    metadata = {
        "folder": dg.MetadataValue.path(str(place)),
        "table": dg.MetadataValue.md((place / "table.md").read_text(encoding="utf-8")),
        "table as JSON": dg.MetadataValue.json(table),
    }
    return Recorded(metadata, sha256_file(place / "table.json")[:16])
