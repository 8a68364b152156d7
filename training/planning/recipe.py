"""A recipe's training options, read for a plan: nothing is started."""

from pathlib import Path

from pydantic import ValidationError

from storage.options import mistakes
from storage.strict_yaml import read_yaml
from training.options import TrainOptions

# What a recipe's block says about starting processes, and what the asset fills in.
LAUNCH = ("name", "processes", "fresh", "grace_s")
STAND_INS = {"conditions": "-", "output": "-"}


def recipe_options(path: Path, method: str | None = None) -> tuple[TrainOptions, int]:
    """The training options of a recipe (a run config with `ops.executor.config`, or the trainer's own file), and its
    processes. Raises ValueError naming the file and what is wrong."""
    try:
        config = read_yaml(path)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}: give a recipe of train_wmsd") from error
    block = config
    if isinstance(config, dict) and "ops" in config:
        for name in ("ops", "executor", "config"):
            block = block.get(name) if isinstance(block, dict) else None
    if not isinstance(block, dict):
        raise ValueError(f"{path} has no block ops.executor.config: give a recipe of train_wmsd")
    processes = block.get("processes", 1)
    given = {key: value for key, value in block.items() if key not in LAUNCH}
    given = STAND_INS | given | ({"method": method} if method else {})
    objective = given.get("objective")
    if isinstance(objective, dict) and len(objective) == 1 and "kind" not in objective:
        ((kind, options),) = objective.items()  # Dagster's selector
        given["objective"] = {"kind": kind, **options} if isinstance(options, dict) else {"kind": kind}
    try:
        return TrainOptions.model_validate(given), processes
    except ValidationError as error:
        lines = [f"  {one}" for one in mistakes(error)]
        raise ValueError("\n".join([f"{path}: {len(lines)} mistakes in the options:", *lines])) from error
