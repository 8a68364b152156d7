"""The block `ops.reproduction.config`: the options that all runs share, and the experiments."""

import dagster as dg
from pydantic import Field, model_validator

from assets.support.config_blocks import config_block, part_of, plain
from assets.support.training_options import STAND_INS, FolderName, check_judge, check_model, check_videos, train_options
from training.conditions.options import ConditionsOptions
from training.loop.checks import check_options
from training.options import TrainOptions
from training.reproduction.options import Experiment, ReproductionOptions

TrainingBlock = part_of(TrainOptions, "TrainingBlock", dg.Config, STAND_INS)
SHARED = ReproductionOptions.model_fields


class ReproductionConfig(FolderName):
    """Experiments on the same held-out tasks, and how many run at a time and for how long."""

    training: TrainingBlock = Field(description="Options that all runs share, as in ops.executor.config.")
    experiments: list[config_block(Experiment)] = Field(description=SHARED["experiments"].description)
    at_once: int = Field(2, ge=1, le=64, description=SHARED["at_once"].description)
    minutes: float = Field(90.0, gt=0, description=SHARED["minutes"].description)
    grace_s: float = Field(120.0, gt=0, description=SHARED["grace_s"].description)

    @model_validator(mode="after")
    def _checked(self) -> "ReproductionConfig":
        reproduction_options(self, "-", "-")
        return self


def reproduction_options(config: ReproductionConfig, output: str, conditions: str) -> ReproductionOptions:
    """The whole options of a reproduction. Raises ValueError as ReproductionOptions does."""
    filled = STAND_INS | {"conditions": conditions}
    training = train_options(config.training, **filled).model_dump(mode="json", exclude={"output", "method"})
    given = {name: plain(config)[name] for name in ("experiments", "at_once", "minutes", "grace_s")}
    return ReproductionOptions(output=output, training=training, **given)


def check_reproduction(config: ReproductionConfig, conditions: ConditionsOptions | None) -> None:
    """Raises ValueError for what one of the runs would refuse at its start, and for a model other than that whose
    `conditions` are encoded in the same run, or videos that `sft` needs and nobody encodes."""
    check_judge(config.training.rewards.judge.vlm, "training.rewards.judge.vlm")
    options = reproduction_options(config, "-", "-")
    for experiment in options.experiments:
        try:
            check_options(options.run_options(experiment, experiment.seeds[0], "-"))
            if conditions is not None:
                check_videos(experiment.method, conditions)
        except ValueError as error:
            raise ValueError(f"experiment {experiment.name}: {error}") from error
    if conditions is not None:
        check_model(config.training, conditions)
