"""The sensor on new episodes: off by default, all shards, the episodes' part of the recipe of WMSD_EPISODES_RECIPE."""

import dagster as dg
import pytest
import yaml

from assets.support.partitions import ALL_SHARDS
from pipelines.definitions import defs
from pipelines.sensors import new_episodes


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    folder = tmp_path / "episodes"
    folder.mkdir()
    source = {"layout": "ctrl_world", "path": str(folder), "robot": "droid"}
    config = {
        "resources": {"collection": {"config": {"root": str(tmp_path), "name": "droid"}}},
        "ops": {"episodes": {"config": {"source": source}}, "episode_latents": {"config": {"model": {"path": "x"}}}},
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(config | {"ops": config["ops"] | {"world_model": {"config": {}}}}))
    monkeypatch.setenv("WMSD_EPISODES_RECIPE", str(path))
    return folder, config


def tick(cursor):
    with dg.instance_for_test() as instance:
        return new_episodes.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs))


@pytest.mark.slow
def test_new_episodes_start_one_run_once_the_folder_is_still(recipe):
    folder, config = recipe
    assert new_episodes.default_status is dg.DefaultSensorStatus.STOPPED
    (folder / "0.json").write_bytes(b"half")
    first = tick(None)
    assert not first.run_requests and "copying ends" in first.skip_message
    (folder / "0.json").write_bytes(b"half and the rest")
    second = tick(first.cursor)
    assert not second.run_requests
    third = tick(second.cursor)
    # The recipe of a training has more blocks: the sensor takes those of its own job.
    assert [request.run_config for request in third.run_requests] == [config]
    assert ALL_SHARDS.items() <= third.run_requests[0].tags.items()
    dg.validate_run_config(defs.resolve_job_def("encode_episodes"), third.run_requests[0].run_config)
    fourth = tick(third.cursor)
    assert not fourth.run_requests and "nothing has changed" in fourth.skip_message
    (folder / "sub").mkdir()
    (folder / "sub" / "1.json").write_bytes(b"new")
    assert tick(tick(third.cursor).cursor).run_requests


def test_a_source_that_is_no_folder_never_starts_a_run(monkeypatch):
    monkeypatch.delenv("WMSD_EPISODES_RECIPE", raising=False)
    result = tick(None)
    assert not result.run_requests and "not in a folder here" in result.skip_message
