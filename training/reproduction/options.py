"""What a reproduction is told: options that all runs share, and experiments that change some of them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator

from storage import options
from storage.options import Options, dotted, mistakes
from training.options import TrainOptions
from training.options.loop import RunOptions
from training.options.methods import Method
from training.options.rewards import ERRS

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
# What experiments may not change, and where it is said instead. The second half keeps runs comparable: the same
# held-out tasks from the same noise before the same judge, so that they can be compared in pairs.
ELSEWHERE = {
    "method": "the experiment's `method`",
    "run.steps": "the experiment's `steps`",
    "run.seed": "the experiment's `seeds`",
    "output": "the reproduction, which gives each run its folder",
    "conditions": "`training`, for all alike",
    "dataset_version": "`training`, for all alike",
    "model": "`training`, for all alike",
    "rewards.judge": "`training`, for all alike",
    "held_out.tasks": "`training`, for all alike",
    "held_out.steps": "`training`, for all alike",
    "held_out.seed": "`training`, for all alike",
}
# Held-out tasks are judged without these, so that runs stay comparable.
OF_REWARDS = tuple(f"rewards.judge.vlm.{name}" for name in ERRS)
FILLED = ("method", "output")  # never given in `training`


class Experiment(Options):
    """One setting, trained once for each seed."""

    name: str = Field(description="Folder name and label: up to 40 small letters, digits, '-' or '_'.")
    method: Method = Field("wmsd", description="Training method.")
    seeds: tuple[int, ...] = Field((0,), min_length=1, description="One run for each seed. Only run.seed differs.")
    steps: int | None = Field(None, ge=1, description="Training steps. null: as in `training`.")
    changes: dict[str, Any] = Field({}, description="Options that differ from `training`, as nested blocks.")

    @field_validator("name")
    @classmethod
    def _is_a_folder(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError(f"{value!r}: use up to 40 small letters, digits, '-' or '_'")
        return value

    @field_validator("seeds")
    @classmethod
    def _are_different(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) != len(value) or any(seed < 0 for seed in value):
            raise ValueError(f"seeds {list(value)}: use different whole numbers of at least 0")
        return value

    @field_validator("changes")
    @classmethod
    def _may_change(cls, value: dict[str, Any]) -> dict[str, Any]:
        for key in dotted(value):
            if key in OF_REWARDS:
                continue
            for fixed, where in ELSEWHERE.items():
                if key == fixed or key.startswith(f"{fixed}.") or fixed.startswith(f"{key}."):
                    raise ValueError(f"an experiment cannot change {key}: {fixed} is set by {where}")
        return value


class ReproductionOptions(Options):
    """Experiments in the order of their importance, on options that all of them share."""

    output: str = Field(min_length=1, description="Folder of the results, with a folder for each run.")
    training: dict[str, Any] = Field(description="Options of training.train, without method and output.")
    experiments: tuple[Experiment, ...] = Field(min_length=1, description="The experiments, the most important first.")
    at_once: int = Field(2, ge=1, le=64, description="Runs at the same time, each one process with one thread.")
    minutes: float = Field(90.0, gt=0, description="Time limit. Runs that no longer fit are listed as not run.")
    grace_s: float = Field(120.0, gt=0, description="Seconds that a run has to save when it is asked to end.")

    @model_validator(mode="after")
    def _is_whole(self) -> "ReproductionOptions":
        given = [name for name in FILLED if name in self.training]
        if given:
            raise ValueError(f"remove training.{given[0]}: it is filled in for each run")
        names = [experiment.name for experiment in self.experiments]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"experiments: {', '.join(twice)} appears twice: give each experiment its own name")
        for experiment in self.experiments:
            self.run_options(experiment, experiment.seeds[0], "-")
        return self

    @property
    def steps(self) -> int:
        """Steps of an experiment that does not say otherwise."""
        return self.training.get("run", {}).get("steps", RunOptions().steps)

    def run_options(self, experiment: Experiment, seed: int, output: str) -> TrainOptions:
        """The whole options of one run. Raises ValueError naming the experiment and every wrong option."""
        given = merged(self.training, experiment.changes) | {"method": experiment.method, "output": output}
        steps = {} if experiment.steps is None else {"steps": experiment.steps}
        given["run"] = {**given.get("run", {}), **steps, "seed": seed}
        try:
            return TrainOptions.model_validate(given)
        except ValidationError as error:
            raise ValueError(f"experiment {experiment.name}: {'; '.join(mistakes(error))}") from error


def read_options(path: Path) -> ReproductionOptions:
    """The options in a YAML or JSON file. Raises InvalidOptions, as storage.options.read_options."""
    return options.read_options(path, ReproductionOptions, "a reproduction's options")


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes`, block by block; a block of another `kind` (an objective) is replaced whole."""
    out = dict(base)
    for key, value in changes.items():
        old = out.get(key)
        blocks = isinstance(value, Mapping) and isinstance(old, Mapping)
        alike = blocks and value.get("kind", old.get("kind")) == old.get("kind")
        out[key] = merged(old, value) if alike else value
    return out
