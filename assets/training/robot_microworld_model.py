"""The robot microworld's own base model: Ctrl-World's network and Stable Video Diffusion's VAE, tiny, trained from
scratch by teacher forcing on scripted episodes.

It has only seen true histories, so it falls apart slowly under its own rollouts: that is what post-training mends. The
checkpoint ships with the project, and what post-training gains is measured against it: run this only to make another
one. The trainer is `python -m microworld.robot.pretrain`.
"""

import json
from pathlib import Path

import dagster as dg
from pydantic import Field

from assets.support.asset import asset
from assets.support.program import run_program
from assets.support.resources import CollectionResource
from assets.support.run_config import check_run_config
from microworld.robot.model.options import RobotBaseOptions
from storage.files import sha256_bytes
from storage.json_files import read_object


class RobotMicroworldModelConfig(RobotBaseOptions, dg.Config):
    """The options of the program, and the grace of a child."""

    grace_s: float = Field(
        60.0, gt=0, description="Seconds that a cancelled pre-training has to end before it is killed."
    )


@asset(group="training", kinds={"python", "torch"}, code_version="1")
def robot_microworld_model(
    context: dg.AssetExecutionContext, config: RobotMicroworldModelConfig, collection: CollectionResource
) -> dg.MaterializeResult:
    check_run_config(context.run.run_config)
    out = Path(config.out).resolve()
    work = collection.store().training / "robot_microworld_model"
    options = config.model_dump(exclude={"grace_s"}) | {"out": str(out), "work": str(Path(config.work).resolve())}
    reported = run_program(
        context,
        "microworld.robot.pretrain",
        options,
        config=work / "config.yaml",
        log=work / "train.log",
        lock=work / ".lock",
        grace_s=config.grace_s,
    )
    said = read_object(out / "base.json")
    shown = {name: dg.MetadataValue.json(said[name]) for name in ("sha256", "settled", "scores")}
    version = sha256_bytes(json.dumps(said["sha256"], sort_keys=True).encode())[:16]
    return dg.MaterializeResult(
        metadata={"checkpoint": dg.MetadataValue.path(str(out))} | shown | reported,
        data_version=dg.DataVersion(version),
    )
