"""What training asks of the dataset, encoded once: image latents, and embeddings of every task T and solution D.

A child process loads the model's encoders, writes safetensors shards and ends, so that no text encoder is in memory
while the Executor trains. Conditions are keyed by the model's identity (the content of its checkpoint) and the version
of the dataset: unchanged ones are left alone. Held-out tasks are the release's benchmark, or fresh scenes of the
microworld.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from assets.support.child import run_child
from assets.support.config_blocks import config_block
from assets.support.resources import CollectionResource, VLMResource
from assets.support.run_config import PARTITION, check_run_config
from storage.collection import Store
from storage.files import sha256_bytes, sha256_file, write_bytes
from storage.tables import kept_rows
from training.conditions.folder import conditions_folder, read_manifest
from training.conditions.options import ConditionsOptions

# Changes when the same input gives other conditions.
VERSION = "3"

ConditionsConfig = config_block(ConditionsOptions)


def clip_rows(store: Store) -> list[tuple[dict, str]]:
    """The collection's usable clips with their files, by id."""
    from assets.curation.frames import folder_of

    return [
        (row, str(Path(folder_of(store, path.stem)) / row["path"]))
        for path in store.tables("clips")
        for row in kept_rows(path)
    ]


def job_of(store: Store, options: ConditionsOptions, vlm: VLMResource) -> dict[str, Any]:
    """Everything that the encoder needs to know. Raises dagster.Failure when no release was chosen."""
    release = store.pinned_release()
    if release is None:
        raise dg.Failure("there is no release to encode: materialise `training_data` first", allow_retries=False)
    decides: list[Any] = [VERSION, options.most_cropped, options.held_out.model_dump(mode="json")]
    job: dict[str, Any] = {
        "options": options.model_dump(mode="json"),
        "tree": release["tree"],
        "folder": str(store.folder),
        "out": str(conditions_folder(store, options.model)),
    }
    if options.sft_videos.count:
        decides += [options.sft_videos.model_dump(mode="json"), vlm.identity("video_task", None)]
        job |= {
            "vlm": vlm.model_dump(mode="json"),
            "clips": clip_rows(store),
            "journal": str(store.journal("conditions", "sft_videos")),
        }
    digest = sha256_bytes(json.dumps(decides, sort_keys=True).encode())[:8]
    return job | {"dataset_version": f"{release['version']}+{digest}"}


def lora_targets(stages: Mapping[str, Any]) -> list[str]:
    """The layers by name that trainers in the same run will adapt; none where they leave that to the model."""
    trainers = [stages[name] for name in ("executor", "executor_ablations") if name in stages]
    trainers += [stages["reproduction"].training] if "reproduction" in stages else []
    return sorted({target for trainer in trainers for target in trainer.lora.targets})


@dg.asset(
    deps=["training_data"],
    group_name="training",
    kinds={"python", "torch"},
    code_version=VERSION,
    pool="gpu",
    description=__doc__,
)
def conditions(
    context: dg.AssetExecutionContext, config: ConditionsConfig, collection: CollectionResource, vlm: VLMResource
) -> dg.MaterializeResult:
    stages = check_run_config(context.run.run_config, context.run.tags.get(PARTITION))
    store = collection.store()
    options = ConditionsOptions(**config.model_dump(mode="json"))
    job = job_of(store, options, vlm) | {"lora_targets": lora_targets(stages)}
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
