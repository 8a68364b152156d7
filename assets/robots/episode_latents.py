"""Latents of every view of every kept episode, encoded once by the model's VAE, beside the recorded pixels.

A child process loads the model, writes a file for each episode, named by its content, and ends. So a new episode costs
only itself, a killed run repeats no finished one, and nothing is decoded or encoded again while a model is trained.
"""

import json
import sys

import dagster as dg

from assets.support.asset import asset
from assets.support.child import run_child
from assets.support.config_blocks import config_block
from assets.support.partitions import SHARDS
from assets.support.resources import CollectionResource
from assets.support.run_config import check_run_config
from assets.support.stage import shard_keys
from models.robot.encode_options import EpisodeLatentsOptions
from models.robot.encoded_folder import encoded_folder
from robots.encoded import EpisodeStore
from robots.write_encoded import VERSION
from storage.files import write_bytes

EpisodeLatentsConfig = config_block(EpisodeLatentsOptions)


@asset(
    group="robots",
    partitions_def=SHARDS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=["episodes", "episode_statistics"],
    kinds={"python", "torch"},
    code_version=str(VERSION),
)
def episode_latents(
    context: dg.AssetExecutionContext, config: EpisodeLatentsConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    shards = shard_keys(context)
    check_run_config(context.run.run_config)
    store = collection.store()
    options = EpisodeLatentsOptions(**config.model_dump(mode="json"))
    if not store.episode_statistics.exists():
        raise dg.Failure("there are no statistics of states: materialize episode_statistics", allow_retries=False)
    out = encoded_folder(store, options.model)
    job = {
        "options": options.model_dump(mode="json"),
        "out": str(out),
        "tables": [str(path) for path in store.tables("episodes")],
        "shards": shards,
        "statistics": str(store.episode_statistics),
        "contract": json.loads(store.episode_statistics.read_bytes()).get("robot", ""),
    }
    path = out.with_name(f"{out.name}.job.json")
    command = [sys.executable, "-m", "models.robot.encode", str(path)]
    log, lock = out.with_name(f"{out.name}.log"), store.lock("episode_latents", out.name)

    def prepare() -> None:
        write_bytes(path, json.dumps(job).encode())

    reported = run_child(context, command, log=log, lock=lock, grace_s=options.grace_s, prepare=prepare)
    encoded = EpisodeStore(out)
    metadata = {
        "folder": dg.MetadataValue.path(str(out)),
        "model identity": encoded.identity,
        "dataset version": encoded.version,
        "why left out": dg.MetadataValue.json(encoded.left_out[:50]),
    }
    return dg.MaterializeResult(metadata=metadata | reported, data_version=dg.DataVersion(encoded.version))
