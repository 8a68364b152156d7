"""What training reads of the dataset, encoded once: image latents, and embeddings of every task T and solution D.

A child process loads the model's encoders, writes safetensors shards and ends. So no text encoder is in memory while
the Executor trains. Conditions are keyed by the content of the model's checkpoint and the dataset's version: they are
encoded again only if one of these changes. Held-out tasks are the release's benchmark, or fresh scenes of the
microworld.
"""

import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from assets.support.asset import asset
from assets.support.child import run_child
from assets.support.config_blocks import config_block
from assets.support.resources import CollectionResource, VLMResource
from assets.support.run_config import PARTITION, check_run_config
from curation.clips.sources import kept_clips
from storage.files import sha256_file, write_bytes
from training.conditions.folder import read_manifest
from training.conditions.options import ConditionsOptions
from training.conditions.request import VERSION, NoRelease, encoding_request

ConditionsConfig = config_block(ConditionsOptions)


def lora_targets(stages: Mapping[str, Any]) -> list[str]:
    """The layers by name that trainers in the same run will adapt; none where they leave that to the model."""
    trainers = [stages[name] for name in ("executor", "executor_ablations") if name in stages]
    trainers += [stages["reproduction"].training] if "reproduction" in stages else []
    return sorted({target for trainer in trainers for target in trainer.lora.targets})


@asset(group="training", deps=["training_data"], kinds={"python", "torch"}, code_version=VERSION)
def conditions(
    context: dg.AssetExecutionContext, config: ConditionsConfig, collection: CollectionResource, vlm: VLMResource
) -> dg.MaterializeResult:
    stages = check_run_config(context.run.run_config, context.run.tags.get(PARTITION))
    store = collection.store()
    options = ConditionsOptions(**config.model_dump(mode="json"))
    try:
        job = encoding_request(store, options, vlm, vlm.identity("video_task", None), partial(kept_clips, store))
    except NoRelease as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    job |= {"lora_targets": lora_targets(stages)}
    out = Path(job["out"])
    path = out.with_name(f"{out.name}.job.json")
    log, lock = out.with_name(f"{out.name}.log"), store.lock("conditions", out.name)
    command = [sys.executable, "-m", "training.encode", str(path)]

    def prepare() -> None:
        write_bytes(path, json.dumps(job).encode())

    reported = run_child(context, command, log=log, lock=lock, grace_s=options.grace_s, prepare=prepare)
    manifest = read_manifest(out)
    counts = manifest["counts"]
    metadata = {
        "conditions": dg.MetadataValue.path(str(out)),
        "model identity": manifest["identity"],
        "dataset version": manifest["dataset_version"],
        "images": counts["images"],
        "prompts": counts["prompts"],
        "sft videos": counts["videos"],
        **{f"{split} pairs": count for split, count in counts["pairs"].items()},
        **counts["left_out"],
    }
    version = sha256_file(out / "manifest.json")[:16]
    return dg.MaterializeResult(metadata=metadata | reported, data_version=dg.DataVersion(version))
