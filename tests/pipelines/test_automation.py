"""The weekly schedule and the sensor on new clips: off by default, all shards, the recipe of WMSD_RECIPE."""

import dagster as dg
import pytest
import yaml

from assets.support.partitions import ALL_SHARDS
from pipelines.definitions import defs
from pipelines.schedules import rebuild_worldtasks_weekly
from pipelines.sensors import new_clips


@pytest.fixture
def folder_recipe(tmp_path, monkeypatch):
    folder = tmp_path / "videos"
    folder.mkdir()
    config = {"ops": {"clips": {"config": {"source": {"folder": {"folder": str(folder)}}}}}}
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("WMSD_RECIPE", str(path))
    return folder, config


def test_both_are_off_until_switched_on():
    assert rebuild_worldtasks_weekly.default_status is dg.DefaultScheduleStatus.STOPPED
    assert new_clips.default_status is dg.DefaultSensorStatus.STOPPED


def test_the_schedule_asks_for_all_shards_of_the_recipe(folder_recipe):
    _, config = folder_recipe
    request = rebuild_worldtasks_weekly(dg.build_schedule_context())
    assert request.run_config == config
    assert ALL_SHARDS.items() <= request.tags.items()
    dg.validate_run_config(defs.resolve_job_def("build_worldtasks"), request.run_config)


def tick(cursor):
    with dg.instance_for_test() as instance:
        return new_clips.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs))


@pytest.mark.slow
def test_new_clips_start_one_run_once_the_folder_is_still(folder_recipe):
    folder, config = folder_recipe
    (folder / "a.mp4").write_bytes(b"half")
    first = tick(None)
    assert not first.run_requests and "copying ends" in first.skip_message
    (folder / "a.mp4").write_bytes(b"half and the rest")
    second = tick(first.cursor)
    assert not second.run_requests
    third = tick(second.cursor)
    assert [request.run_config for request in third.run_requests] == [config]
    assert ALL_SHARDS.items() <= third.run_requests[0].tags.items()
    fourth = tick(third.cursor)
    assert not fourth.run_requests and "nothing has changed" in fourth.skip_message
    (folder / "b.mp4").write_bytes(b"new")
    assert tick(tick(fourth.cursor or third.cursor).cursor).run_requests


def test_a_source_that_is_no_folder_never_starts_a_run(monkeypatch):
    monkeypatch.delenv("WMSD_RECIPE", raising=False)
    result = tick(None)
    assert not result.run_requests and "not a folder" in result.skip_message
