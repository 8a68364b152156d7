"""The command behind `make evaluate`, and the sensor that evaluates each new Executor."""

import json
from contextlib import nullcontext
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.utils import make_new_run_id

from assets.support.evaluation.partitions import RANGE, asked_names
from pipelines import evaluate
from pipelines.commands import checked
from pipelines.partition_tags import stretches
from pipelines.recipes import RECIPES, job_of, load_recipe
from pipelines.sensors import new_executors


@pytest.mark.parametrize(
    ("known", "wanted", "found"),
    [
        ("abcd", "abcd", ["abcd"]),
        ("abcd", "dcba", ["abcd"]),  # the order is Dagster's
        ("abcd", "abd", ["ab", "d"]),  # c is another evaluation's
        ("abcd", "c", ["c"]),
        ("xaybz", "ab", ["a", "b"]),
        ("ab", "", []),
    ],
)
def test_runs_side_by_side_are_one_dagster_run_and_no_other_is_in_it(known, wanted, found):
    assert ["".join(names) for names in stretches(known, wanted)] == found


def started(instance: dg.DagsterInstance, recipe: Path, monkeypatch, names: str) -> list[dg.DagsterRun]:
    """The Dagster runs that `make evaluate` starts for the runs `names`, of which none works yet."""
    config = load_recipe(RECIPES / "microworld_evaluation.yaml")
    config["resources"]["collection"]["config"]["root"] = str(recipe.parent)
    config["ops"]["generated_videos"]["config"]["runs"] = [{"name": name} for name in names]
    recipe.write_text(yaml.safe_dump(config))
    found: list[dg.DagsterRun] = []

    def run_job(job: str, path, tags) -> int:
        run = dg.DagsterRun(job_name=job, run_id=make_new_run_id(), run_config=config, tags=tags)
        found.append(instance.add_run(run))
        return 0

    monkeypatch.setattr(evaluate, "run_job", run_job)
    monkeypatch.setattr(evaluate, "instance_of_commands", lambda: nullcontext(instance))
    monkeypatch.setattr(evaluate, "made", lambda config: "")
    monkeypatch.setattr("sys.argv", ["evaluate", str(recipe)])
    assert evaluate.main() == 0
    return found


@pytest.mark.slow
@pytest.mark.parametrize("others", ["ad", "ac", "axd", "dcb", "xyz"])
def test_another_evaluation_changes_nothing_of_one_that_is_at_work(tmp_path, monkeypatch, others):
    with dg.instance_for_test() as instance:
        (first,) = started(instance, tmp_path / "first.yaml", monkeypatch, "abcd")
        assert asked_names(first, instance) == list("abcd")
        second = started(instance, tmp_path / "second.yaml", monkeypatch, others)
        assert asked_names(first, instance) == list("abcd")
        assert sorted(name for run in second for name in asked_names(run, instance)) == sorted(others)


def test_a_step_refuses_partitions_that_were_listed_anew_since_its_run_was_started(tmp_path, monkeypatch):
    with dg.instance_for_test() as instance:
        (run,) = started(instance, tmp_path / "recipe.yaml", monkeypatch, "abcd")
        instance.delete_dynamic_partition("evaluation_runs", "b")
        with pytest.raises(dg.Failure, match=r"partitions has changed.*from 'a' to 'd' there are now a, c, d"):
            asked_names(run, instance)
        instance.delete_dynamic_partition("evaluation_runs", "d")
        with pytest.raises(dg.Failure, match=r"the list of partitions has changed.*there are now none"):
            asked_names(run, instance)


def test_a_range_from_the_ui_stays_what_its_first_step_found_for_its_retries_too():
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("evaluation_runs", list("abc"))
        run = instance.add_run(dg.DagsterRun("job", make_new_run_id(), tags=dict(zip(RANGE, "ac", strict=True))))
        assert asked_names(run, instance) == list("abc")
        instance.delete_dynamic_partition("evaluation_runs", "b")
        retry = dg.DagsterRun("job", make_new_run_id(), tags=instance.get_run_by_id(run.run_id).tags)
        for one in (run, instance.add_run(retry)):
            with pytest.raises(dg.Failure, match="the list of partitions has changed"):
                asked_names(one, instance)


def test_recipes_name_their_jobs():
    shipped = {path.stem: job_of(load_recipe(path)) for path in RECIPES.glob("*.yaml")}
    assert shipped["microworld_evaluation"] == shipped["ltx2_evaluation"] == "evaluate_worldtasks"
    videos = {"generated_videos": {}}
    assert job_of({"ops": videos | {"dreamgen_scores": {}}}) == "evaluate_dreamgen"
    assert job_of({"ops": videos | {"vbvr_scores": {}}}) == "evaluate_vbvr"


def test_a_recipe_of_another_job_is_answered_with_its_command():
    with pytest.raises(ValueError, match=r"for the job train_wmsd. Run: make train RECIPE="):
        checked(RECIPES / "microworld_training.yaml", "evaluate")
    with pytest.raises(ValueError, match=r"for the job evaluate_worldtasks. Run: make evaluate RECIPE="):
        checked(RECIPES / "microworld_evaluation.yaml", "train")


def test_the_command_ends_at_once_for_a_wrong_recipe(tmp_path, monkeypatch, capsys):
    config = load_recipe(RECIPES / "microworld_evaluation.yaml")
    config["ops"]["generated_videos"]["config"]["runs"][0]["name"] = "../out"
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setattr("sys.argv", ["evaluate", str(path)])
    with pytest.raises(SystemExit) as ended:
        evaluate.main()
    assert ended.value.code == 2
    assert "letters, digits" in capsys.readouterr().err


@pytest.fixture
def recipe(tmp_path, monkeypatch) -> dict:
    config = load_recipe(RECIPES / "microworld_evaluation.yaml")
    config["resources"]["collection"]["config"]["root"] = str(tmp_path)
    block = config["ops"]["generated_videos"]["config"]
    block["runs"] = [run for run in block["runs"] if "samples" not in run]  # rows of the table
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("WMSD_EVALUATION_RECIPE", str(path))
    return config


def tick(instance: dg.DagsterInstance, cursor: str | None):
    from pipelines.definitions import defs

    context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs)
    return new_executors.evaluate_tick(context)


def trained(instance: dg.DagsterInstance, output, version: str) -> None:
    event = dg.AssetMaterialization(
        "executor", metadata={"output": dg.MetadataValue.path(str(output))}, tags={"dagster/data_version": version}
    )
    instance.report_runless_asset_event(event)


def test_the_sensor_is_off_until_switched_on():
    assert new_executors.default_status is dg.DefaultSensorStatus.STOPPED


def test_each_new_executor_is_evaluated_once_under_a_name_of_its_own(recipe, tmp_path):
    from pipelines.definitions import defs

    with dg.instance_for_test() as instance:
        assert "no Executor" in tick(instance, None).skip_message
        trained(instance, tmp_path / "microworld" / "training" / "wmsd", "0123456789abcdef")
        first = tick(instance, None)
        (request,) = first.run_requests
        (added,) = first.dynamic_partitions_requests
        names = json.loads(request.tags["wmsd/evaluation_runs"])  # all runs with its LoRA, by one loaded model
        assert names[0] == "executor-01234567" and all(name.endswith("-01234567") for name in names)
        assert list(added.partition_keys) == names
        runs = {run["name"]: run for run in request.run_config["ops"]["generated_videos"]["config"]["runs"]}
        assert runs["executor-01234567"]["training"] == "wmsd" and "executor" not in runs
        assert runs["executor-01234567"]["executor"] == "0123456789abcdef"
        assert {"base", "demonstrator", "vlm"} <= set(runs)
        dg.validate_run_config(defs.resolve_job_def("evaluate_worldtasks"), request.run_config)
        again = tick(instance, first.cursor)
        assert not again.run_requests and "no new Executor" in again.skip_message
        trained(instance, tmp_path / "microworld" / "training" / "wmsd", "fedcba9876543210")
        assert [one.run_key for one in tick(instance, first.cursor).run_requests] == ["executor-fedcba98"]


def test_an_executor_of_another_collection_is_left_alone(recipe, tmp_path):
    with dg.instance_for_test() as instance:
        trained(instance, tmp_path / "other" / "training" / "wmsd", "0123456789abcdef")
        result = tick(instance, None)
    assert not result.run_requests and "the recipe evaluates trainings in" in result.skip_message


def kept(root, step: int, training: str = "wmsd") -> None:
    """A training's LoRA of a step, as far as a sensor looks."""
    folder = root / "microworld" / "training" / training / "adapters" / f"step-{step:08d}"
    folder.mkdir(parents=True)
    (folder / "pytorch_lora_weights.safetensors").write_bytes(b"weights")


def test_new_checkpoints_of_a_running_training_are_evaluated_once_by_one_run(recipe, tmp_path):
    from pipelines.definitions import defs
    from pipelines.sensors import new_checkpoints

    def look(instance, cursor=None):
        return new_checkpoints.evaluate_tick(
            dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs)
        )

    assert new_checkpoints.default_status is dg.DefaultSensorStatus.STOPPED
    with dg.instance_for_test() as instance:
        assert "no new checkpoint" in look(instance).skip_message
        kept(tmp_path, 55)
        kept(tmp_path, 110)
        first = look(instance)
        (request,), (added,) = first.run_requests, first.dynamic_partitions_requests
        assert list(added.partition_keys) == ["wmsd-step-00055", "wmsd-step-00110"]
        assert [request.tags[tag] for tag in RANGE] == ["wmsd-step-00055", "wmsd-step-00110"]
        dg.validate_run_config(defs.resolve_job_def("evaluate_worldtasks"), request.run_config)
        instance.add_dynamic_partitions("evaluation_runs", added.partition_keys)
        assert "no new checkpoint" in look(instance, first.cursor).skip_message
        kept(tmp_path, 165)
        (second,) = look(instance, first.cursor).run_requests
        assert second.tags["dagster/partition"] == "wmsd-step-00165"


def test_a_new_executor_is_never_evaluated_under_the_name_of_another_training(recipe, tmp_path):
    kept(tmp_path, 55)
    kept(tmp_path, 55, "rl_only")
    block = recipe["ops"]["generated_videos"]["config"]
    block["runs"] = [{"name": "executor", "training": "wmsd"}, {"name": "rl", "training": "rl_only"}]
    block["curves"] = [{"name": "wmsd", "training": "wmsd"}, {"name": "alone", "training": "rl_only"}]
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    with dg.instance_for_test() as instance:
        trained(instance, tmp_path / "microworld" / "training" / "wmsd", "0123456789abcdef")
        (request,) = tick(instance, None).run_requests
        assert json.loads(request.tags["wmsd/evaluation_runs"]) == ["executor-01234567", "wmsd-01234567-step-00055"]
        asked = request.run_config["ops"]["generated_videos"]["config"]
        assert asked["runs"][1] == block["runs"][1] and asked["curves"][1] == block["curves"][1]
        trained(instance, tmp_path / "microworld" / "training" / "third", "fedcba9876543210")
        skipped = tick(instance, None)
    assert not skipped.run_requests
    assert (
        "uses training 'third'" in skipped.skip_message and "The recipe names 'rl_only', 'wmsd'" in skipped.skip_message
    )


def test_sensors_fill_in_what_a_recipe_takes_from_the_environment(recipe, tmp_path, monkeypatch):
    from pipelines.definitions import defs
    from pipelines.sensors import new_checkpoints

    monkeypatch.setenv("COLLECTION_ROOT", str(tmp_path))
    monkeypatch.setenv("TRAINING", "wmsd")
    monkeypatch.setenv("CHECKPOINT", recipe["ops"]["generated_videos"]["config"]["model"]["path"])
    recipe["resources"]["collection"]["config"]["root"] = {"env": "COLLECTION_ROOT"}
    block = recipe["ops"]["generated_videos"]["config"]
    block["model"]["path"], block["curves"][0]["training"] = {"env": "CHECKPOINT"}, {"env": "TRAINING"}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    kept(tmp_path, 55)
    with dg.instance_for_test() as instance:
        trained(instance, tmp_path / "microworld" / "training" / "wmsd", "0123456789abcdef")
        (executor,) = tick(instance, None).run_requests
        (points,) = new_checkpoints.evaluate_tick(
            dg.build_sensor_context(instance=instance, definitions=defs)
        ).run_requests
    assert "wmsd-01234567-step-00055" in json.loads(executor.tags["wmsd/evaluation_runs"])
    assert points.tags["dagster/partition"] == "wmsd-step-00055"
    # The run reads the environment itself, where it is run.
    assert executor.run_config["ops"]["generated_videos"]["config"]["model"]["path"] == {"env": "CHECKPOINT"}


def test_a_new_executors_curve_comes_with_it_under_its_own_name(recipe, tmp_path):
    kept(tmp_path, 55)
    with dg.instance_for_test() as instance:
        trained(instance, tmp_path / "microworld" / "training" / "wmsd", "0123456789abcdef")
        (request,) = tick(instance, None).run_requests
    assert json.loads(request.tags["wmsd/evaluation_runs"])[-1] == "wmsd-01234567-step-00055"
