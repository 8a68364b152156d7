"""VBVR-Bench of evaluated runs: the official evaluator's scores, or why there are none.

All 500 samples must have a video. The evaluator skips missing videos silently, so this asset refuses the run and
names them. The table says which of the two scorings was used. docs/benchmarks.md says how to install the evaluator.
"""

import dagster as dg

from assets.support.config_blocks import plain
from assets.support.evaluation.asset import run_asset
from assets.support.evaluation.command import run_command
from assets.support.evaluation.options import VbvrScoresConfig
from assets.support.evaluation.partitions import made_names
from assets.support.evaluation.recorded import recorded, table_of
from assets.support.resources import CollectionResource
from assets.support.run_config import PARTITION, check_run_config


@run_asset(deps=["generated_videos"], kinds={"python"})
def vbvr_scores(
    context: dg.AssetExecutionContext, config: VbvrScoresConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    check_run_config(context.run.run_config, context.run.tags.get(PARTITION))
    store, given = collection.store(), plain(config)
    shared = {name: given[name] for name in ("evaluator", "seed", "allow_partial", "accept_errors")}
    shared["benchmark"] = config.path
    folders = {name: str(store.evaluated(name)) for name in made_names(context, store)}

    def run(step: str, name: str, **more) -> None:
        options = shared | {"step": step, "run": folders[name]} | more
        run_command(context, store, "evaluation.benchmarks.vbvr", options, [name], config.grace_s)

    for name in folders:
        run("score", name)
    first, *others = folders
    for name in others:
        run("table", name)
    # The first run's table has all rows, each compared with it.
    run("table", first, others=[folders[name] for name in others])
    found = {name: table_of(store.evaluated(name) / "vbvr") for name in folders}
    return recorded(context, found)
