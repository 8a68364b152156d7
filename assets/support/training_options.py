"""The block `ops.executor.config`: a training run's options and how its processes are started."""

from typing import Any

import dagster as dg
from pydantic import Field, field_validator

from assets.support.config_blocks import part_of, plain, whole
from models.vlm.api_key import check_key
from models.vlm.options import VLMOptions
from storage.collection import NAME
from training.conditions.folder import INCIDENTAL
from training.conditions.options import ConditionsOptions
from training.loop.checks import check_options
from training.methods.tasks import share_of_rank
from training.options import TrainOptions
from training.options.methods import Method

# Filled in by the asset; the values only stand in while the other options are checked.
STAND_INS = {"conditions": "-", "output": "-", "method": "wmsd"}


class FolderName(dg.Config):
    """What is kept in a folder of its own."""

    name: str = Field("", description="Folder below training/. Empty: the default folder.")

    @field_validator("name")
    @classmethod
    def _is_a_folder(cls, value: str) -> str:
        if value and not NAME.fullmatch(value):
            raise ValueError("use up to 64 letters, digits, '.', '_' or '-'")
        return value


class Launch(FolderName):
    """One training run: the options of training.options.TrainOptions, and how it is started."""

    processes: int = Field(1, ge=1, le=1024, description="Processes on this machine, one for each GPU.")
    fresh: bool = Field(
        False,
        description="Start again and discard what the folder holds. false: continue that run, or refuse it and say "
        "what differs.",
    )
    grace_s: float = Field(
        900.0, gt=0, description="Seconds that a cancelled trainer has to stop and save before it is killed."
    )


ExecutorConfig = part_of(TrainOptions, "ExecutorConfig", Launch, STAND_INS)


def train_options(config: dg.Config, **filled: Any) -> TrainOptions:
    """The whole options of a run: `config` with what the asset fills in. Raises ValueError in one line."""
    return whole(TrainOptions, config, filled)


def check_launch(config: dg.Config, method: Method | None, conditions: ConditionsOptions | None) -> None:
    """Raises ValueError for options that a trainer of `method` (None: not known yet) or its number of processes would
    refuse at its start: a judge without its key, videos that `sft` needs and nobody encodes, another model than the one
    whose `conditions` are encoded in the same run."""
    check_judge(config.rewards.judge.vlm, "rewards.judge.vlm")
    share_of_rank(config.rollout.tasks, 0, config.processes)
    if method is not None:
        check_options(train_options(config, **STAND_INS | {"method": method}))
    if conditions is not None:
        check_model(config, conditions)
        check_videos(method, conditions)


def check_judge(vlm: VLMOptions, place: str) -> None:
    """Raises ValueError, naming the option below `place`, when the judge's key is not in the environment."""
    try:
        check_key(vlm.api_key_env)
    except ValueError as error:
        raise ValueError(f"{place}.{error}") from error


def check_model(config: dg.Config, conditions: ConditionsOptions) -> None:
    """Raises ValueError when a training block names another model than the one whose `conditions` are encoded."""
    ours, theirs = ({**plain(c.model), **dict.fromkeys(INCIDENTAL)} for c in (config, conditions))
    differ = [f"{key} {ours[key]!r} and {theirs[key]!r}" for key in ours if ours[key] != theirs[key]]
    if differ:
        raise ValueError(f"model differs from ops.conditions.config.model ({'; '.join(differ)}): make them equal")


def check_videos(method: Method | None, conditions: ConditionsOptions) -> None:
    """Raises ValueError for the method that learns from videos when `conditions` encode none."""
    if method == "sft" and not conditions.sft_videos.count:
        raise ValueError(
            "method sft learns from videos, but ops.conditions.config.sft_videos.count is 0: set it to at least 1"
        )
