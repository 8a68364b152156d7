"""A tiny training run by the real job, made once a test run; tests look at what it left and change one thing each."""

import copy
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import pytest

from storage.collection import Store
from tests.training.conditions import release_fixtures as make
from tests.training.conditions.conftest import QUIET, release_store, tiny_checkpoint, tiny_model

__all__ = ["release_store", "tiny_checkpoint", "tiny_model"]

TINY = {
    "lora": {"rank": 2, "alpha": 2.0},
    "rollout": {"tasks": 2, "group": 2, "steps": 4, "batch": 4},
    "distill": {"timesteps": 1},
    "objective": {"awm": {"timesteps": 1}},
    "memory": {"batch": 4},
    "run": {"steps": 2, "checkpoint_every": 1, "grid_every": 0},
    "held_out": {"tasks": 3, "steps": 2},
}


@dataclass(frozen=True)
class Trained:
    """A collection after `train_wmsd`, the recipe of that run and its result."""

    store: Store
    recipe: dict
    result: dg.ExecuteInProcessResult | None = None

    @property
    def output(self) -> Path:
        return self.store.training / "wmsd"

    def changed(self, **executor) -> dict:
        """The recipe with other options of the Executor."""
        recipe = copy.deepcopy(self.recipe)
        recipe["ops"]["executor"]["config"] |= json.loads(json.dumps(executor))
        return recipe


def recipe_of(store: Store, model: dict) -> dict:
    held_out = {"source": "microworld", "tasks": 3}
    return {
        "resources": {"collection": {"config": {"root": str(store.root), "name": store.name}}},
        "ops": {
            "training_data": {"config": {"recipe": "recipes/folder.yaml"}},
            "conditions": {"config": {"model": model, "held_out": held_out}},
            "executor": {"config": {"model": model, **TINY}},
        },
        "loggers": QUIET,
    }


def execute(recipe: dict, job: str = "train_wmsd", only: tuple[str, ...] | None = None, **given):
    """Runs a job in this process on an instance of its own, `only` some of its assets where given."""
    from pipelines.definitions import defs

    recipe = dict(recipe)
    if only is not None:
        recipe["ops"] = {name: block for name, block in recipe["ops"].items() if name in only}
        given["asset_selection"] = [dg.AssetKey(name) for name in only]
    with dg.instance_for_test() as instance:
        return defs.resolve_job_def(job).execute_in_process(
            run_config=recipe, instance=instance, raise_on_error=False, **given
        )


@pytest.fixture(scope="session")
def run_job():
    return execute


@pytest.fixture
def fresh(tmp_path, tiny_model) -> Trained:
    """A collection that holds nothing but a release, and the recipe to train on it."""
    store = make.store_at(tmp_path)
    make.write_release(store)
    return Trained(store, recipe_of(store, tiny_model))


@pytest.fixture(scope="session")
def finished(tmp_path_factory, tiny_model) -> Trained:
    store = make.store_at(tmp_path_factory.mktemp("data"))
    make.write_release(store)
    recipe = recipe_of(store, tiny_model)
    result = execute(recipe)
    assert result.success, (store.training / "wmsd" / "train.log").read_text()[-3000:]
    return Trained(store, recipe, result)


@pytest.fixture
def trained(finished, tmp_path) -> Trained:
    """A copy of the finished collection at another place, to change."""
    shutil.copytree(finished.store.folder, tmp_path / finished.store.name, symlinks=True)
    store = replace(finished.store, root=tmp_path)
    recipe = copy.deepcopy(finished.recipe)
    recipe["resources"]["collection"]["config"]["root"] = str(tmp_path)
    store.pin_release(make.VERSION, store.published / make.VERSION)
    return Trained(store, recipe)
