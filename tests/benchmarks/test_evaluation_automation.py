"""The command behind `make evaluate`, and the sensor that evaluates each new Executor."""

import dagster as dg
import pytest
import yaml

from pipelines import evaluate
from pipelines.recipes import RECIPES, job_of, load_recipe
from pipelines.sensors import new_executors
from pipelines.train import checked


@pytest.mark.parametrize(
    ("known", "wanted", "after", "found"),
    [
        ("", "abc", "abc", "ac"),
        ("abcd", "dcba", "abcd", "ad"),  # the order is Dagster's
        ("abcd", "bc", "abcd", "bc"),
        ("abcd", "c", "abcd", "cc"),
        ("abcd", "abd", "cabd", "ad"),  # c is another evaluation's
        ("ab", "ax", "bax", "ax"),
    ],
)
def test_runs_of_a_recipe_stand_side_by_side_and_keep_what_was_recorded(known, wanted, after, found):
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("evaluation_runs", list(known))
        for key in known:
            instance.report_runless_asset_event(dg.AssetMaterialization("scores", partition=key))
        assert "".join(evaluate.side_by_side(instance, list(wanted))) == found
        assert "".join(instance.get_dynamic_partitions("evaluation_runs")) == after
        assert instance.get_materialized_partitions(dg.AssetKey("scores")) == set(known)


def test_recipes_name_their_jobs():
    shipped = {path.stem: job_of(load_recipe(path)) for path in RECIPES.glob("*.yaml")}
    assert shipped["microworld_evaluation"] == shipped["ltx2_evaluation"] == "evaluate_worldtasks"
    videos = {"generated_videos": {}}
    assert job_of({"ops": videos | {"dreamgen_scores": {}}}) == "evaluate_dreamgen"
    assert job_of({"ops": videos | {"vbvr_scores": {}}}) == "evaluate_vbvr"


def test_a_recipe_of_another_job_is_answered_with_its_command():
    with pytest.raises(ValueError, match=r"for train_wmsd: make train RECIPE="):
        checked(RECIPES / "microworld_training.yaml", evaluate.JOBS)
    with pytest.raises(ValueError, match=r"for evaluate_worldtasks: make evaluate RECIPE="):
        checked(RECIPES / "microworld_evaluation.yaml")


def test_the_command_ends_at_once_for_a_wrong_recipe(tmp_path, monkeypatch, capsys):
    config = load_recipe(RECIPES / "microworld_evaluation.yaml")
    config["ops"]["generated_videos"]["config"]["runs"][0]["name"] = "../out"
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setattr("sys.argv", ["evaluate", str(path)])
    assert evaluate.main() == 2
    assert "letters, digits" in capsys.readouterr().err


@pytest.fixture
def recipe(tmp_path, monkeypatch) -> dict:
    config = load_recipe(RECIPES / "microworld_evaluation.yaml")
    config["resources"]["collection"]["config"]["root"] = str(tmp_path)
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
        trained(instance, tmp_path / "microworld" / "training" / "second", "0123456789abcdef")
        first = tick(instance, None)
        (request,) = first.run_requests
        assert request.tags["dagster/partition"] == "executor-01234567"
        (added,) = first.dynamic_partitions_requests
        assert list(added.partition_keys) == ["executor-01234567"]
        runs = {run["name"]: run for run in request.run_config["ops"]["generated_videos"]["config"]["runs"]}
        assert runs["executor-01234567"]["training"] == "second" and "executor" not in runs
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
    assert not result.run_requests and "the recipe is about" in result.skip_message
