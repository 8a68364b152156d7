"""The microworld's own base model: a tiny Wan transformer, trained from scratch on captioned clips.

Flow matching first sees all kinds of captions, later no short ones, and never T. So the model follows D well, though
not perfectly, and T poorly. Self-distillation needs such a base.
The checkpoint ships with the project: run this only to make another one. The trainer is
`python -m microworld.model.pretrain`.
"""

import json
from pathlib import Path

import dagster as dg
from pydantic import Field

from assets.support.asset import asset
from assets.support.program import run_program
from assets.support.resources import CollectionResource
from assets.support.run_config import check_run_config
from microworld.model.options import PretrainOptions
from storage.files import sha256_bytes, sha256_file
from storage.json_files import read_object


class MicroworldModelConfig(PretrainOptions, dg.Config):
    """The options of the program, and the grace of a child."""

    grace_s: float = Field(
        60.0, gt=0, description="Seconds that a cancelled pre-training has to end before it is killed."
    )


@asset(group="training", kinds={"python", "torch"}, code_version="1")
def microworld_model(
    context: dg.AssetExecutionContext, config: MicroworldModelConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    check_run_config(context.run.run_config)
    out = Path(config.out).resolve()
    work = collection.store().training / "microworld_model"
    options = config.model_dump(exclude={"grace_s"}) | {"out": str(out)}
    reported = run_program(
        context,
        "microworld.model.pretrain",
        options,
        config=work / "config.yaml",
        log=work / "train.log",
        lock=work / ".lock",
        grace_s=config.grace_s,
    )
    weights = sorted(out.rglob("*.safetensors"))
    digests = [[file.relative_to(out).as_posix(), sha256_file(file)] for file in weights]
    size = sum(file.stat().st_size for file in weights)
    metadata = {"checkpoint": dg.MetadataValue.path(str(out)), "bytes": size, "files": dg.MetadataValue.json(digests)}
    scores = out / "scores.json"
    if scores.exists():
        metadata["scores"] = dg.MetadataValue.json(read_object(scores))
    version = sha256_bytes(json.dumps(digests).encode())[:16]
    return dg.MaterializeResult(metadata=metadata | reported, data_version=dg.DataVersion(version))
