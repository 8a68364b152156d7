"""VBVR-Bench of evaluated runs: the official evaluator's scores, or why there are none.

All 500 samples are expected: the evaluator skips missing videos without a word, so what lacks one is refused here by
name. Which of its two scorings was used stands in the table. docs/benchmarks.md says how to install it.
"""

import dagster as dg

from assets.benchmarks.child import run_command
from assets.benchmarks.dreamgen import described
from assets.benchmarks.launch import shortens
from assets.benchmarks.options import VbvrQueriesConfig, VbvrScoresConfig
from assets.benchmarks.partitions import EVALUATION_RUNS, made_names, recorded
from assets.benchmarks.plan import queries_folder
from assets.config_blocks import plain
from assets.resources import CollectionResource
from assets.run_config import PARTITION, check_run_config
from evaluation.vbvr.rewriting import REWRITES, read_rewrites
from storage.files import sha256_file

QUERIES = """VBVR-Bench made ready: first frames and prompts unpacked from its listing, and its long queries shortened
to tasks by a VLM that sees the first frame, for the paper's third variant (where a run has `queries: short`)."""


@dg.asset(group_name="evaluation", kinds={"python"}, code_version="1", pool="gpu", description=QUERIES)
def vbvr_queries(
    context: dg.AssetExecutionContext, config: VbvrQueriesConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    checked = check_run_config(context.run.run_config, context.run.tags.get(PARTITION))
    store, given = collection.store(), plain(config)
    shared = {"benchmark": config.path, "out": str(queries_folder(store))}
    shared |= {name: given[name] for name in ("vlm", "concurrency", "ask_failed_again", "keep_failed")}
    steps = {"unpack": config.unpack, "rewrite": shortens(checked)}
    for step in (step for step, wanted in steps.items() if wanted):
        run_command(context, store, "evaluation.vbvr", shared | {"step": step}, ["vbvr queries"], config.grace_s)
    lines = queries_folder(store) / REWRITES
    if not lines.is_file():
        return dg.MaterializeResult(metadata={"queries": "as published"}, data_version=dg.DataVersion("published"))
    made = read_rewrites(lines.parent)
    metadata = {
        "queries": dg.MetadataValue.path(str(lines)),
        "shortened": sum(not one.failure for one in made),
        "left as they are": sum(bool(one.failure) for one in made),
        "by": ", ".join(sorted({one.vlm for one in made})),
        "prompts": dg.MetadataValue.json(sorted({one.prompt_hash for one in made})),
    }
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(sha256_file(lines)[:16]))


@dg.asset(
    deps=["generated_videos"],
    partitions_def=EVALUATION_RUNS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="evaluation",
    kinds={"python"},
    code_version="1",
    description=__doc__,
)
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
        run_command(context, store, "evaluation.vbvr", options, [name], config.grace_s)

    for name in folders:
        run("score", name)
    first, *others = folders
    for name in others:
        run("table", name)
    # The first run's table has all rows, each compared with it.
    run("table", first, others=[folders[name] for name in others])
    found = {name: described(store.evaluated(name) / "vbvr") for name in folders}
    return recorded(context, found)
