"""DreamGen Bench of evaluated runs: instruction following in both published modes, physics, a table with intervals.

Videos get the benchmark's own names and a manifest, so that its scripts and VideoPhy can read them. Our judge answers
its questions. The table names its denominators. If samples are missing there is no table. See docs/benchmarks.md.
"""

from pathlib import Path

import dagster as dg

from assets.support.config_blocks import plain
from assets.support.evaluation.asset import run_asset
from assets.support.evaluation.command import run_command
from assets.support.evaluation.options import DreamgenScoresConfig
from assets.support.evaluation.partitions import made_names
from assets.support.evaluation.recorded import recorded, table_of
from assets.support.resources import CollectionResource
from assets.support.run_config import PARTITION, check_run_config
from evaluation.benchmarks.dreamgen.options import DreamgenTableOptions

STEPS = ("export", "score", "table")


@run_asset(deps=["generated_videos"], kinds={"python"})
def dreamgen_scores(
    context: dg.AssetExecutionContext, config: DreamgenScoresConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    check_run_config(context.run.run_config, context.run.tags.get(PARTITION))
    store = collection.store()
    folders = {name: store.evaluated(name) for name in made_names(context, store)}

    def run(step: str, name: str, **more) -> None:
        options = step_options(config, name, folders[name], step) | more
        run_command(context, store, "evaluation.benchmarks.dreamgen", options, [name], config.grace_s)

    for name in folders:
        for step in STEPS:
            run(step, name)
    first, *others = folders
    if others:  # the first run's table has all others in pairs with it
        run("table", first, others=[str(folders[name]) for name in others])
    return recorded(context, {name: table_of(folder / "dreamgen") for name, folder in folders.items()})


def step_options(config: DreamgenScoresConfig, name: str, folder: Path, step: str) -> dict:
    """The options of `python -m evaluation.benchmarks.dreamgen` for one step on one run."""
    shared = plain(config)
    options = {"step": step, "run": str(folder)}
    options |= {one: shared[one] for one in DreamgenTableOptions.model_fields}
    if name in config.videophy:
        options |= {"videophy": config.videophy[name], "videophy_version": config.videophy_version}
    return options
