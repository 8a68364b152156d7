"""`train_wmsd` on a tiny model with the real trainer: what is recorded, what is skipped, what is refused."""

import fcntl
import json
import signal

import dagster as dg
import pytest

from tests.assets.training.runs import RUNNER, first_step
from tests.started import started
from tests.training.conditions import release_fixtures as make
from training.options.reading import read_options

pytestmark = pytest.mark.slow


def event_of(result: dg.ExecuteInProcessResult, asset: str):
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key.path == [asset]]
    return event.materialization


def failure_of(result: dg.ExecuteInProcessResult, asset: str) -> str:
    failure = result.failure_data_for_node(asset)
    return failure.user_failure_data.description if failure.user_failure_data else str(failure.error)


def data_version(materialization) -> str:
    return materialization.tags["dagster/data_version"]


def test_the_release_is_pinned_then_encoded_then_trained_on(finished):
    data, encoded, executor = (event_of(finished.result, name) for name in ("training_data", "conditions", "executor"))
    assert data_version(data) == make.VERSION and not data.metadata["built now"].value
    assert encoded.metadata["dataset version"].value.startswith(f"{make.VERSION}+")
    assert encoded.metadata["heldout pairs"].value == 3 and encoded.metadata["train pairs"].value > 8
    assert not encoded.metadata["reused"].value
    assert executor.metadata["dataset version"].value == encoded.metadata["dataset version"].value


def test_scores_before_and_after_are_metadata_that_dagster_plots(finished):
    executor = event_of(finished.result, "executor")
    shares = [name for name in executor.metadata if name.startswith("task: ")]
    assert shares == ["task: base under T", "task: Demonstrator (base under D)", "task: Executor under T"]
    assert all(0 <= executor.metadata[name].value <= 1 for name in shares)
    table = executor.metadata["table"].value
    assert "Demonstrator" in table and "Executor against base under T" in table
    assert not executor.metadata["reused"].value


def test_the_trainers_whole_options_lie_beside_its_weights(finished):
    options = read_options(finished.output / "config.yaml")
    assert options.method == "wmsd" and options.output == str(finished.output)
    assert options.rollout.group == 2 and options.optimizer.lr == 3e-4  # a default
    assert list((finished.output / "final").glob("*.safetensors"))


def test_a_second_run_encodes_and_trains_nothing_again(trained, run_job):
    weights = sorted((trained.output / "final").glob("*.safetensors"))
    before = {path: path.stat().st_mtime_ns for path in weights}
    # Paths are not what decides: the copy lies elsewhere.
    result = run_job(trained.recipe)
    assert result.success
    encoded, executor = (event_of(result, name) for name in ("conditions", "executor"))
    assert encoded.metadata["reused"].value and executor.metadata["reused"].value
    assert encoded.metadata["train pairs left out: cropped"].value == 0, "said of reused conditions too"
    assert executor.metadata["table"].value
    assert {path: path.stat().st_mtime_ns for path in weights} == before


def test_the_data_version_is_that_of_options_and_conditions(finished, trained, run_job):
    executor = event_of(run_job(trained.recipe, only=("executor",)), "executor")
    assert data_version(executor) == data_version(event_of(finished.result, "executor"))


def test_another_recipe_in_the_same_folder_is_an_error_that_names_what_differs(trained, run_job):
    files = [trained.output / name for name in ("config.yaml", "done.json")]
    before = [path.read_bytes() for path in files]
    result = run_job(trained.changed(optimizer={"lr": 0.01}), only=("executor",))
    said = failure_of(result, "executor")
    assert said.startswith("ChangedRecipe") and "optimizer.lr: 0.0003 -> 0.01" in said
    assert [path.read_bytes() for path in files] == before, "it is still the finished run of its own recipe"
    assert event_of(run_job(trained.recipe, only=("executor",)), "executor").metadata["reused"].value


def test_fresh_begins_anew_even_where_the_same_run_is_finished(trained, run_job):
    weights = trained.output / "final" / "pytorch_lora_weights.safetensors"
    made, content = weights.stat().st_mtime_ns, weights.read_bytes()
    executor = event_of(run_job(trained.changed(fresh=True), only=("executor",)), "executor")
    assert not executor.metadata["reused"].value
    assert weights.stat().st_mtime_ns > made and weights.read_bytes() == content


def test_a_run_that_waited_in_vain_leaves_the_files_of_the_one_at_work_alone(trained, run_job):
    (job,) = (trained.store.folder / "conditions").glob("*.job.json")
    files = [job, trained.output / "config.yaml", trained.output / "done.json"]
    before = [path.read_bytes() for path in files]
    recipe = trained.changed(optimizer={"lr": 0.01}, grace_s=0.1)
    recipe["ops"]["conditions"]["config"] |= {"held_out": {"source": "microworld", "tasks": 2}, "grace_s": 0.1}
    locks = {
        "conditions": trained.store.lock("conditions", job.name.split(".")[0]),
        "executor": trained.output / ".lock",
    }
    for asset, lock in locks.items():
        with lock.open("a") as at_work:
            fcntl.flock(at_work, fcntl.LOCK_EX)
            result = run_job(recipe, only=(asset,))
        assert "another process still works on" in failure_of(result, asset)
    assert [path.read_bytes() for path in files] == before


def test_a_lora_target_that_matches_nothing_is_named(trained, run_job):
    changed = trained.changed(name="other", lora={"rank": 2, "targets": ["to_w"]})
    result = run_job(changed, only=("executor",))
    assert "LoRA target 'to_w' matches no linear layer" in failure_of(result, "executor")


def test_conditions_of_another_dataset_are_refused_before_the_trainer_starts(trained, run_job):
    make.write_release(trained.store, version="ba9876543210", seed=5)
    assert run_job(trained.recipe, only=("training_data",)).success
    result = run_job(trained.recipe, only=("executor",))
    said = failure_of(result, "executor")
    assert make.VERSION in said and "ba9876543210" in said and "materialise" in said


def test_without_conditions_the_executor_says_what_makes_them(fresh, run_job):
    result = run_job(fresh.recipe, only=("executor",))
    assert "has no conditions of this model: materialise `training_data` and `conditions`" in failure_of(
        result, "executor"
    )


def test_a_wrong_option_stops_the_job_at_its_first_step(fresh, run_job):
    result = run_job(fresh.changed(rollout={"group": 1}))
    assert "ops.executor.config.rollout.group = 1" in failure_of(result, "training_data")
    assert not result.get_asset_materialization_events()


def test_what_the_trainer_would_refuse_stops_the_job_before_anything_is_encoded(fresh, run_job):
    from pipelines.jobs import ablations_recipe

    result = run_job(fresh.changed(lora={"rank": 2, "targets": ["to_w"]}))
    assert "LoRA target 'to_w' matches no linear layer" in failure_of(result, "conditions")
    recipe = ablations_recipe(fresh.recipe)
    result = run_job(recipe, job="train_ablations", tags={"dagster/partition": "sft"})
    assert "ops.conditions.config.sft_videos.count is 0" in failure_of(result, "training_data")
    assert not list(fresh.store.folder.glob("conditions/*/manifest.json"))


def test_an_ablation_is_a_partition_beside_the_executor(trained, run_job):
    from pipelines.jobs import ablations_recipe

    result = run_job(
        ablations_recipe(trained.recipe),
        job="train_ablations",
        only=("executor_ablations",),
        tags={"dagster/partition": "on_policy_anchor"},
    )
    assert result.success, (trained.store.training / "on_policy_anchor" / "train.log").read_text()[-2000:]
    event = event_of(result, "executor_ablations")
    assert event.partition == "on_policy_anchor" and event.metadata["method"].value == "on_policy_anchor"
    assert (trained.store.training / "on_policy_anchor" / "final").is_dir()


def test_ablations_without_a_method_are_answered_with_how_to_name_one(fresh, run_job):
    from pipelines.jobs import ablations_recipe

    result = run_job(ablations_recipe(fresh.recipe), job="train_ablations", only=("executor_ablations",))
    said = failure_of(result, "executor_ablations")
    assert "names no partition" in said and "(off_policy, on_policy_anchor" in said
    assert '{"dagster/partition": "rl_only"}' in said


@pytest.mark.parametrize("processes", [1, 2])
def test_a_cancelled_run_saves_and_the_next_goes_on_from_there(trained, run_job, repository, processes):
    run = {"steps": 12, "checkpoint_every": 12, "grid_every": 0}
    recipe = trained.changed(name="long", processes=processes, grace_s=60, run=run)
    recipe["loggers"] = {"console": {"config": {"log_level": "INFO"}}}
    process = started(RUNNER, recipe, repository)
    output = trained.store.training / "long"
    metrics = first_step(output, process)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=400)
    assert process.returncode != 0
    (saved,) = (output / "checkpoints").glob("step-*")
    step = int(saved.name.removeprefix("step-"))
    assert 1 <= step < 12, said[-3000:]
    assert f"saved at step {step}" in (output / "train.log").read_text()
    assert not (output / "done.json").exists()
    resumed = run_job(recipe, only=("executor",))
    assert resumed.success, (output / "train.log").read_text()[-3000:]
    steps = [json.loads(line)["step"] for line in metrics.read_text().splitlines()]
    assert steps == list(range(1, 13))
