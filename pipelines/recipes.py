"""Recipes: run configs in YAML, read strictly."""

import os
from pathlib import Path
from typing import Any

from assets.support.resources import CollectionResource
from models.vlm.api_key import check_name
from storage.collection import Store
from storage.strict_yaml import read_yaml

RECIPES = Path(__file__).resolve().parent.parent / "recipes"


def load_recipe(path: Path) -> dict:
    """The run config in `path`.

    Raises ValueError for a missing file, wrong YAML, a duplicate key, a key that is no text, and a secret where the
    name of its environment variable is expected: Dagster keeps run configs in its history.
    """
    if not path.is_file():
        known = ", ".join(sorted(f"recipes/{item.name}" for item in RECIPES.glob("*.yaml")))
        raise ValueError(f"recipe {str(path)!r} is not a file. Recipes that ship with the project: {known}")
    config = read_yaml(path)
    if not isinstance(config, dict):
        raise ValueError(f"recipe {str(path)!r} is not a mapping: write a Dagster run config in YAML")
    _check_keys(config)
    _refuse_secrets(config)
    return config


def _check_keys(value: Any, *place: str) -> None:
    """Dagster ends with a traceback for a key that YAML reads as a number, a date or a truth value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inner:
        if isinstance(value, dict) and not isinstance(name, str):
            raise ValueError(
                f"{'.'.join((*place, ''))}{name} is no name, but a {type(name).__name__}: put it in quotes"
            )
        _check_keys(item, *place, str(name))


def _refuse_secrets(value: Any, *place: str) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "api_key_env" and isinstance(item, str):
                try:
                    check_name(item)
                except ValueError as error:
                    raise ValueError(f"{'.'.join(place)}.{error}") from None
            _refuse_secrets(item, *place, str(name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _refuse_secrets(item, *place, str(number))


EPISODE_STAGES = ("episodes", "episode_statistics", "episode_latents")
WORLD_MODEL_JOBS = {
    "world_model": "train_persistworld",
    "finetuned_world_model": "finetune_world_model",
    "world_model_baselines": "train_world_model_baselines",
}


def job_of(config: dict) -> str:
    """The job that a recipe is for: what evaluates, reproduces or trains when it sets that up, else
    `build_worldtasks`."""
    ops = config.get("ops")
    if not isinstance(ops, dict):  # which Dagster says
        ops = {}
    if "generated_videos" in ops:
        benchmarks = {"dreamgen_scores": "evaluate_dreamgen", "vbvr_scores": "evaluate_vbvr"}
        return next((job for stage, job in benchmarks.items() if stage in ops), "evaluate_worldtasks")
    if "reproduction" in ops:
        return "reproduce"
    if trained := next((job for stage, job in WORLD_MODEL_JOBS.items() if stage in ops), None):
        return trained
    if ops and ops.keys() <= set(EPISODE_STAGES):
        return "encode_episodes"
    return "train_wmsd" if "executor" in ops else "build_worldtasks"


def store_of(config: dict) -> Store:
    """Where the collection of a run config lies, whether it is there yet or not."""
    return CollectionResource(**config.get("resources", {}).get("collection", {}).get("config", {})).place()


def evaluation_recipe() -> dict:
    """The recipe by which the sensor evaluates Executors: WMSD_EVALUATION_RECIPE, else the microworld's."""
    return load_recipe(Path(os.environ.get("WMSD_EVALUATION_RECIPE", RECIPES / "microworld_evaluation.yaml")))


def scheduled_recipe() -> dict:
    """The recipe that schedules and sensors run: WMSD_RECIPE, else the microworld."""
    return load_recipe(Path(os.environ.get("WMSD_RECIPE", RECIPES / "microworld.yaml")))


def episodes_recipe() -> dict:
    """What the sensor encodes new episodes by: of the recipe WMSD_EPISODES_RECIPE, which may be one of a training, the
    part that reads and encodes. Without it: the robot microworld, which has no new ones."""
    path = os.environ.get("WMSD_EPISODES_RECIPE")
    recipe = load_recipe(Path(path)) if path else {}
    stages = {name: block for name, block in recipe.get("ops", {}).items() if name in EPISODE_STAGES}
    return recipe | ({"ops": stages} if stages else {})
