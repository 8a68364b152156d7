"""The microworld's own base model: a tiny Wan transformer, trained from nothing on clips captioned with D.

It is stopped where it follows D well, but not perfectly, and T poorly: the starting point that self-distillation needs.
The checkpoint ships with the project, so nobody has to run this; it is here so that anybody can. The trainer is
`python -m microworld.model.pretrain`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from pydantic import Field

from assets.child import run_child
from assets.resources import CollectionResource
from assets.run_config import check_run_config
from storage.files import sha256_bytes, sha256_file, write_bytes


class MicroworldModelConfig(dg.Config):
    """The options of microworld.model.pretrain.PretrainOptions (whose module loads torch), and the grace of a child."""

    out: str = Field("microworld/checkpoint", min_length=1, description="Folder of the checkpoint, in diffusers form.")
    seed: int = Field(0, ge=0, description="Of weights, scenes and batches.")
    clips: int = Field(16_000, ge=100, description="Clips drawn.")
    batch: int = Field(32, ge=1)
    vae_steps: int = Field(1600, ge=1)
    decoder_steps: int = Field(3800, ge=1)
    language_steps: int = Field(1300, ge=1, description="The text encoder, on captions and on tasks.")
    steps: int = Field(4000, ge=1, description="Flow matching; the rate falls to 0 over the last 30 %.")
    loose_share: float = Field(0.25, ge=0, le=1, description="Share of captions without coordinates.")
    held_out: int = Field(200, ge=1, description="Held-out tasks it is scored on.")
    grace_s: float = Field(60.0, gt=0, description="Seconds a cancelled pre-training has to end before it is killed.")


@dg.asset(group_name="training", kinds={"python", "torch"}, code_version="1", pool="gpu", description=__doc__)
def microworld_model(
    context: dg.AssetExecutionContext, config: MicroworldModelConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    check_run_config(context.run.run_config)
    out = Path(config.out).resolve()
    work = collection.store().training / "microworld_model"
    path = work / "config.yaml"
    options: dict[str, Any] = config.model_dump(exclude={"grace_s"}) | {"out": str(out)}
    write_bytes(path, yaml.safe_dump(options, sort_keys=False).encode())
    command = [sys.executable, "-m", "microworld.model.pretrain", "--config", str(path)]
    reported = run_child(context, command, log=work / "train.log", lock=work / ".lock", grace_s=config.grace_s)
    weights = sorted(out.rglob("*.safetensors"))
    digests = [[file.relative_to(out).as_posix(), sha256_file(file)] for file in weights]
    size = sum(file.stat().st_size for file in weights)
    metadata = {"checkpoint": dg.MetadataValue.path(str(out)), "bytes": size, "files": dg.MetadataValue.json(digests)}
    scores = out / "scores.json"
    if scores.exists():
        metadata["scores"] = dg.MetadataValue.json(json.loads(scores.read_text(encoding="utf-8")))
    version = sha256_bytes(json.dumps(digests).encode())[:16]
    return dg.MaterializeResult(metadata=metadata | reported, data_version=dg.DataVersion(version))
