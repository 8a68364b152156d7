"""A tiny evaluation by the real job, made once a test run; tests look at what it left and change one thing each."""

import copy
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import pytest

from assets.support.evaluation.partitions import EVALUATION_RUNS, RANGE
from models.video.lora import WEIGHTS
from storage.collection import Store
from tests.training.conditions import release_fixtures as make
from tests.training.conditions.conftest import QUIET, tiny_checkpoint, tiny_model

__all__ = ["tiny_checkpoint", "tiny_model"]

RUNS = [
    {"name": "base", "role": "base"},
    {"name": "demonstrator", "role": "demonstrator", "conditioning": "demonstrator"},
    {"name": "executor", "role": "executor", "training": "wmsd"},
    {"name": "vlm", "role": "vlm", "conditioning": "vlm"},
]
JUDGE = {"vlm": {"workers": 0}}


def write_lora(checkpoint: Path, folder: Path, seed: int = 3) -> None:
    """A LoRA for the tiny model, as a training run leaves it in final/."""
    import torch
    from safetensors.torch import save_file

    from models.video.build_video_model import skeleton
    from models.video.options import VideoModelOptions

    model = VideoModelOptions(kind="wan", path=str(checkpoint), frames=8, height=32, width=32, fps=4.0)
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, layer in skeleton(model).named_modules():
        if name.endswith("attn1.to_q"):
            a, b = (4, layer.in_features), (layer.out_features, 4)
            tensors[f"transformer.{name}.lora_A.weight"] = torch.randn(a, generator=generator)
            tensors[f"transformer.{name}.lora_B.weight"] = torch.randn(b, generator=generator)
    assert tensors
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / WEIGHTS)


@dataclass(frozen=True)
class Evaluation:
    """A collection, the recipe of its evaluation, and the result of the job when it has run."""

    store: Store
    recipe: dict
    result: dg.ExecuteInProcessResult | None = None

    def changed(self, stage: str, **options) -> dict:
        """The recipe with other options of one stage."""
        recipe = copy.deepcopy(self.recipe)
        block = recipe["ops"].setdefault(stage, {"config": {}})
        block["config"] |= json.loads(json.dumps(options))
        return recipe

    def folder(self, name: str) -> Path:
        return self.store.evaluated(name)

    @property
    def page(self) -> Path:
        return self.store.evaluation / "reports" / "worldtasks" / "report.html"


def recipe_of(store: Store, model: dict, tasks: int = 3) -> dict:
    videos = {
        "benchmark": {"microworld": {"tasks": tasks}},
        "model": model,
        "sampler": {"steps": 2},
        "batch": 4,
        "runs": copy.deepcopy(RUNS),
    }
    return {
        "resources": {"collection": {"config": {"root": str(store.root), "name": store.name}}},
        "ops": {"generated_videos": {"config": videos}, "judgements": {"config": copy.deepcopy(JUDGE)}},
        "loggers": QUIET,
    }


def execute(
    recipe: dict,
    *,
    job: str = "evaluate_worldtasks",
    names: Sequence[str] | None = None,
    only: Sequence[str] | None = None,
    tags: dict | None = None,
) -> dg.ExecuteInProcessResult:
    """Runs a job in this process on an instance of its own: for the runs `names` (all of the recipe when None), `only`
    some of its assets and checks."""
    from pipelines.definitions import defs

    given, recipe = {}, dict(recipe)
    if only is not None:
        recipe["ops"] = {name: block for name, block in recipe["ops"].items() if name in only}
        given["asset_selection"] = [dg.AssetKey(name) for name in only]
    told = [run["name"] for run in recipe["ops"].get("generated_videos", {"config": {"runs": RUNS}})["config"]["runs"]]
    chosen = told if names is None else list(names)
    if tags is None:
        tags = dict(zip(RANGE, (chosen[0], chosen[-1]), strict=True))
        if len(chosen) == 1:
            tags = {"dagster/partition": chosen[0]}
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions(EVALUATION_RUNS.name, chosen)
        return defs.resolve_job_def(job).execute_in_process(
            run_config=recipe, instance=instance, raise_on_error=False, tags=tags, **given
        )


def event_of(result: dg.ExecuteInProcessResult, asset: str, partition: str | None = None):
    (event,) = [
        event.materialization
        for event in result.get_asset_materialization_events()
        if event.asset_key.path == [asset] and event.partition == partition
    ]
    return event


def failure_of(result: dg.ExecuteInProcessResult, asset: str) -> str:
    failure = result.failure_data_for_node(asset)
    return failure.user_failure_data.description if failure.user_failure_data else str(failure.error)


def check_of(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    (found,) = [check for check in result.get_asset_check_evaluations() if check.check_name == name]
    return found


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    return {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}


@pytest.fixture(scope="session")
def run_job():
    return execute


@pytest.fixture
def fresh(tmp_path, tiny_model, tiny_checkpoint) -> Evaluation:
    """A collection with a trained Executor and nothing evaluated."""
    store = make.store_at(tmp_path)
    write_lora(tiny_checkpoint, store.training / "wmsd" / "final")
    return Evaluation(store, recipe_of(store, tiny_model))


@pytest.fixture(scope="session")
def finished(tmp_path_factory, tiny_model, tiny_checkpoint) -> Evaluation:
    store = make.store_at(tmp_path_factory.mktemp("data"))
    output = store.training / "wmsd"
    write_lora(tiny_checkpoint, output / "final")
    (output / "done.json").write_text(json.dumps({"fingerprint": "", "dataset_version": "0123456789ab+12345678"}))
    recipe = recipe_of(store, tiny_model)
    result = execute(recipe)
    assert result.success, [event for event in result.all_events if event.is_failure]
    return Evaluation(store, recipe, result)


@pytest.fixture
def evaluated(finished, tmp_path) -> Evaluation:
    """A copy of the finished evaluation at another place, to change."""
    shutil.copytree(finished.store.folder, tmp_path / finished.store.name)
    store = replace(finished.store, root=tmp_path)
    recipe = copy.deepcopy(finished.recipe)
    recipe["resources"]["collection"]["config"]["root"] = str(tmp_path)
    return Evaluation(store, recipe)
