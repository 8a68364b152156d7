"""Prepares VBVR-Bench: unpacks first frames and prompts, and shortens its long queries to tasks for runs with
`queries: short`, the paper's third variant. A VLM that sees the first frame shortens them."""

import dagster as dg

from assets.support.asset import asset
from assets.support.config_blocks import plain
from assets.support.evaluation.command import run_command
from assets.support.evaluation.launch import shortens
from assets.support.evaluation.options import VbvrQueriesConfig
from assets.support.evaluation.plan import queries_folder
from assets.support.resources import CollectionResource
from assets.support.run_config import PARTITION, check_run_config
from evaluation.benchmarks.vbvr.rewriting import REWRITES, read_rewrites
from storage.files import sha256_file


@asset(group="evaluation", kinds={"python"}, code_version="1")
def vbvr_queries(
    context: dg.AssetExecutionContext, config: VbvrQueriesConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    checked = check_run_config(context.run.run_config, context.run.tags.get(PARTITION))
    store, given = collection.store(), plain(config)
    shared = {"benchmark": config.path, "out": str(queries_folder(store))}
    shared |= {name: given[name] for name in ("vlm", "concurrency", "ask_failed_again", "keep_failed")}
    steps = {"unpack": config.unpack, "rewrite": shortens(checked)}
    for step in (step for step, wanted in steps.items() if wanted):
        told = ["vbvr queries"]
        run_command(context, store, "evaluation.benchmarks.vbvr", shared | {"step": step}, told, config.grace_s)
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
