"""Whether a run may go on: under which recipe, on which data and which model it was begun.

No tensor is looked at, so that a launch can be refused before anything is started or overwritten.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from models.vlm.options import DECIDES, VLMOptions
from storage.options import Options, retired_names
from training.checkpoint_state import DamagedCheckpoint, check_of_a_run
from training.options import TrainOptions
from training.options.rewards import ERRS
from training.step_folders import STATE

# How long, how often, how many, and where: what a resumed run may be told otherwise. That the conditions and the model
# are the same is known from the dataset's version and the model's identity, not from their paths.
MAY_DIFFER = (
    "run.steps",
    "run.checkpoint_every",
    "run.keep",
    "run.grid_every",
    "held_out.every",
    "output",
    "conditions",
    "model.path",
    "model.revision",
    "model.device",
    "memory",
    "licence",
    *(f"rewards.judge.vlm.{name}" for name in sorted(VLMOptions.model_fields.keys() - DECIDES - set(ERRS))),
    "rewards.judge.concurrency",
    "rewards.judge.timeout_s",
    "rewards.judge.retries",
    "rewards.judge.retry_wait_s",
)


class ChangedRecipe(ValueError):
    """A run that would go on under another recipe than it began with; the message lists every changed key."""


def check_goes_on(
    folder: Path, state: Mapping[str, Any], options: TrainOptions, *, dataset_version: str, model: str
) -> None:
    """Raises ChangedRecipe when the run whose newest checkpoint `folder` holds `state` cannot go on as `options` say:
    begun under another recipe, on another dataset or model (its identity), or past `run.steps` already.

    Raises DamagedCheckpoint when this is no state of a run: checkpoints had no hash of their state once.
    """
    check_of_a_run(folder, state)
    try:
        saved = completed(state["recipe"], options)
    except (TypeError, AttributeError, ValueError) as error:
        raise DamagedCheckpoint(folder, f"the recipe in {folder / STATE} has not the form of one: {error}") from error
    same_recipe(saved, options.model_dump(mode="json"))
    made_with = {"dataset_version": dataset_version, "model": model}
    same_recipe({key: state[key] for key in made_with}, made_with, may_differ=())
    if state["step"] > options.run.steps:
        raise ChangedRecipe(
            f"the run to resume is already at step {state['step']}, but run.steps is {options.run.steps}: raise "
            "run.steps, or choose another output folder for a new run"
        )


def completed(saved: Mapping[str, Any], options: BaseModel) -> dict[str, Any]:
    """The recipe `saved` with those options of `options`' model that it lacks, since they are newer, at their defaults.

    A retired option goes: nothing reads it any more. One that is no longer known at all stays as it was saved: what it
    would be now, nobody can say.
    """
    gone = retired_names(type(options))
    saved = options.upgraded(saved) if isinstance(options, Options) else saved
    found = {name: value for name, value in saved.items() if name not in gone}
    for name, field in type(options).model_fields.items():
        value = getattr(options, name)
        if name in saved:
            if isinstance(value, BaseModel) and isinstance(saved[name], Mapping):
                found[name] = completed(saved[name], value)
        elif not field.is_required() and name not in gone:
            found[name] = to_jsonable_python(field.get_default(call_default_factory=True))
    return found


def same_recipe(saved: Mapping[str, Any], now: Mapping[str, Any], may_differ: Sequence[str] = MAY_DIFFER) -> None:
    """Raises ChangedRecipe with every key whose value differs, as dotted names with both values.

    Keys in `may_differ`, and all below them, are passed over. Both are JSON as `model_dump(mode="json")` gives it; a
    tuple equals the list it became. Another `run.steps` is allowed, yet moves a rate that decays.
    """
    before, after = _flat(saved), _flat(now)
    absent = object()
    changed = [
        f"  {key}: {_shown(before.get(key, absent), absent)} -> {_shown(after.get(key, absent), absent)}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key, absent) != after.get(key, absent)
        and not any(key == free or key.startswith(free + ".") for free in may_differ)
    ]
    if changed:
        raise ChangedRecipe(
            "the run to resume was started with another recipe (started with -> now):\n"
            + "\n".join(changed)
            + "\nSet the values on the left to resume, or choose another output folder for a new run"
        )


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping) and (value or not prefix):
        return {
            key: leaf
            for name, inner in value.items()
            for key, leaf in _flat(inner, f"{prefix}.{name}" if prefix else str(name)).items()
        }
    return {prefix: list(value) if isinstance(value, tuple) else value}


def _shown(value: Any, absent: object) -> str:
    return "(not there)" if value is absent else json.dumps(value, ensure_ascii=False, default=str)
