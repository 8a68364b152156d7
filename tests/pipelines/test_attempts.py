"""Sensors ask again for what failed, later and later, and for nothing that is under way, done or cancelled."""

import json
import re
import time
from types import SimpleNamespace

import dagster as dg
import pytest
import yaml
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.utils import make_new_run_id

from pipelines import attempts
from pipelines.attempts import ASKED_FOR, FIRST_WAIT_S, LONGEST_WAIT_S
from pipelines.definitions import defs
from pipelines.recipes import RECIPES, load_recipe
from pipelines.sensors import new_checkpoints, new_clips, new_executors

Status = dg.DagsterRunStatus
UNDER_WAY = [Status.QUEUED, Status.NOT_STARTED, Status.STARTING, Status.STARTED, Status.CANCELING]


@dg.op
def ask():
    raise dg.Failure("20 of 20 requests to tiny got no answer:\n  connection refused") from OSError("errno 111")


@dg.job
def failing():
    ask()


@dg.job
def working():
    pass


@pytest.fixture
def instance():
    with dg.instance_for_test() as made:
        yield made


@pytest.fixture
def clock(monkeypatch):
    """The sensors' clock: it stands at `clock.at`, else it is `clock.ahead` seconds before real time."""
    found = SimpleNamespace(ahead=0.0, at=None)

    def now() -> float:
        return time.time() + found.ahead if found.at is None else found.at

    monkeypatch.setattr(attempts, "time", SimpleNamespace(time=now))
    return found


def tick(sensor, instance: dg.DagsterInstance, cursor: str | None):
    """(what a tick found, the cursor after it). Partitions that it asks for are added, as the daemon does."""
    found = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs))
    for added in found.dynamic_partitions_requests or ():
        instance.add_dynamic_partitions(added.partitions_def_name, added.partition_keys)
    return found, found.cursor or cursor


def run(job, request: dg.RunRequest, instance: dg.DagsterInstance) -> str:
    return job.execute_in_process(instance=instance, tags=request.tags, raise_on_error=False).run_id


def add(status: Status, request: dg.RunRequest, instance: dg.DagsterInstance) -> dg.DagsterRun:
    place = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("code"), "__repository__")  # what is queued has one
    origin = RemoteJobOrigin(place, "failing") if status is Status.QUEUED else None
    asked = {"status": status, "tags": request.tags, "remote_job_origin": origin}
    return instance.add_run(dg.DagsterRun("failing", make_new_run_id(), **asked))


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A folder with one file, which is no video, and the recipe that builds it."""
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"no video")
    config = {
        "resources": {"collection": {"config": {"root": str(tmp_path / "data"), "name": "small"}}},
        "ops": {"clips": {"config": {"source": {"folder": {"folder": str(folder)}}}}},
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("WMSD_RECIPE", str(path))
    return folder


def asked_once(instance: dg.DagsterInstance, cursor: str | None = None) -> tuple[dg.RunRequest, str]:
    """The build that `new_clips` asks for once the folder is still, and the cursor."""
    _, cursor = tick(new_clips, instance, cursor)
    found, cursor = tick(new_clips, instance, cursor)
    (request,) = found.run_requests
    return request, cursor


def test_a_failed_build_is_asked_for_again_later_and_later(source, instance, clock):
    request, cursor = asked_once(instance)
    keys = set()
    for number, wait in enumerate((300, 600, 1200, 2400, 4800, 9600, 19200, 21600, 21600), 2):
        failed = run(failing, request, instance)
        waits, same = tick(new_clips, instance, cursor)
        assert not waits.run_requests and same == cursor
        told = waits.skip_message
        why = "ask: Failure: 20 of 20 requests to tiny got no answer: connection refused"
        assert f"run {failed[:8]} failed ({why})" in told
        at = re.search(rf"attempt {number} begins at (\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", told)
        assert at, told
        ended = instance.get_run_record_by_id(failed).end_time
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ended + wait))
        assert at[1] == moment
        clock.at = ended + wait - 0.1
        assert not tick(new_clips, instance, cursor)[0].run_requests
        clock.at = ended + wait
        found, cursor = tick(new_clips, instance, cursor)
        (request,) = found.run_requests
        assert request.run_config == yaml.safe_load(source.parent.joinpath("recipe.yaml").read_text())
        keys.add(request.run_key)
        clock.at = None
    assert len(keys) == number - 1, "Dagster starts one run for a key"
    run(working, request, instance)
    clock.ahead = 10 * LONGEST_WAIT_S
    found, _ = tick(new_clips, instance, cursor)
    assert not found.run_requests and "nothing has changed" in found.skip_message and "succeeded" in found.skip_message


@pytest.mark.parametrize("status", UNDER_WAY, ids=lambda status: status.value)
def test_nothing_is_asked_for_while_a_run_is_under_way(source, instance, clock, status):
    request, cursor = asked_once(instance)
    run(failing, request, instance)
    again = add(status, request, instance)
    clock.ahead = 10 * LONGEST_WAIT_S
    found, _ = tick(new_clips, instance, cursor)
    words = "queued" if status is Status.QUEUED else "in progress"
    assert not found.run_requests and f"run {again.run_id[:8]} is {words}" in found.skip_message
    late = add(Status.SUCCESS, request, instance)  # a second run of the same, from the UI: the other still works
    found, _ = tick(new_clips, instance, cursor)
    assert not found.run_requests and again.run_id != late.run_id and words in found.skip_message


def test_a_cancelled_build_is_not_repeated(source, instance, clock):
    request, cursor = asked_once(instance)
    add(Status.CANCELED, request, instance)
    clock.ahead = 10 * LONGEST_WAIT_S
    found, _ = tick(new_clips, instance, cursor)
    assert not found.run_requests and "was cancelled: it is not repeated" in found.skip_message


def test_a_changed_source_starts_anew_and_so_does_one_that_comes_back(source, instance, clock):
    request, cursor = asked_once(instance)
    for _ in range(3):
        run(failing, request, instance)
    assert "attempt 4 begins at" in tick(new_clips, instance, cursor)[0].skip_message
    (source / "b.mp4").write_bytes(b"another")
    request, cursor = asked_once(instance, cursor)  # at once: its own clock has not begun
    assert request.run_key is None
    assert "nothing has changed" in tick(new_clips, instance, cursor)[0].skip_message, "its run is not known yet"
    run(failing, request, instance)
    assert "attempt 2 begins at" in tick(new_clips, instance, cursor)[0].skip_message
    (source / "b.mp4").unlink()
    request, cursor = asked_once(instance, cursor)
    run(failing, request, instance)
    assert "attempt 2 begins at" in tick(new_clips, instance, cursor)[0].skip_message


def test_a_run_that_never_began_counts_too_and_a_strange_tag_does_not(source, instance, clock):
    request, cursor = asked_once(instance)
    dead = add(Status.STARTING, request, instance)
    instance.report_run_failed(dead, "the run's process has died")
    strange = dg.RunRequest(tags=request.tags | {ASKED_FOR: "{no json"})
    add(Status.STARTED, strange, instance)
    said = tick(new_clips, instance, cursor)[0].skip_message
    assert f"run {dead.run_id[:8]} failed (the run's process has died): attempt 2 begins at" in said


@pytest.mark.slow
def test_a_real_build_that_fails_is_asked_for_again_with_what_its_check_says(source, instance, clock):
    """No clip of the folder is a video: the build ends at `minimum_size`."""
    request, cursor = asked_once(instance)
    job = defs.resolve_job_def("build_worldtasks")

    def build(request: dg.RunRequest):
        return job.execute_in_process(
            run_config=request.run_config, tags=request.tags, instance=instance, raise_on_error=False
        )

    assert not build(request).success
    said = tick(new_clips, instance, cursor)[0].skip_message
    assert "failed (worldtasks_minimum_size: no pair is left" in said and "clips 1 of 1 clips (not_a_video 1)" in said
    clock.ahead = FIRST_WAIT_S + 1
    (request,) = tick(new_clips, instance, cursor)[0].run_requests
    assert not build(request).success
    assert "attempt 3 begins at" in tick(new_clips, instance, cursor)[0].skip_message


@pytest.fixture
def evaluations(tmp_path, monkeypatch):
    """The training folder of a recipe that evaluates its Executor and the curve of its checkpoints."""
    config = load_recipe(RECIPES / "microworld_evaluation.yaml")
    config["resources"]["collection"]["config"]["root"] = str(tmp_path)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("WMSD_EVALUATION_RECIPE", str(path))
    return tmp_path / "microworld" / "training" / "wmsd"


def trained(instance: dg.DagsterInstance, output, version: str) -> None:
    metadata = {"output": dg.MetadataValue.path(str(output))}
    event = dg.AssetMaterialization("executor", metadata=metadata, tags={"dagster/data_version": version})
    instance.report_runless_asset_event(event)


def test_a_failed_evaluation_of_an_executor_is_asked_for_again(evaluations, instance, clock):
    trained(instance, evaluations, "0123456789abcdef")
    found, cursor = tick(new_executors, instance, None)
    (request,) = found.run_requests
    add(Status.STARTED, request, instance)
    clock.ahead = 10 * LONGEST_WAIT_S
    found, _ = tick(new_executors, instance, cursor)
    assert not found.run_requests and "no new Executor: run" in found.skip_message
    instance.delete_run(instance.get_run_records(limit=1)[0].dagster_run.run_id)
    clock.ahead = 0
    run(failing, request, instance)
    found, _ = tick(new_executors, instance, cursor)
    assert not found.run_requests and "attempt 2 begins at" in found.skip_message and "no answer" in found.skip_message
    clock.ahead = FIRST_WAIT_S + 1
    found, cursor = tick(new_executors, instance, cursor)
    (again,) = found.run_requests
    assert again.run_key != request.run_key and again.run_config == request.run_config and again.tags == request.tags
    run(working, again, instance)
    assert not tick(new_executors, instance, cursor)[0].run_requests
    trained(instance, evaluations, "fedcba9876543210")
    (other,) = tick(new_executors, instance, cursor)[0].run_requests
    assert other.run_key == "executor-fedcba98"


def test_a_run_that_the_recipe_gained_before_the_next_attempt_is_evaluated_with_the_others(
    evaluations, instance, clock
):
    trained(instance, evaluations, "0123456789abcdef")
    found, cursor = tick(new_executors, instance, None)
    (request,) = found.run_requests
    run(failing, request, instance)
    path = evaluations.parents[2] / "recipe.yaml"
    config = yaml.safe_load(path.read_text())
    more = {"name": "added", "role": "executor", "training": "wmsd", "sampler": {"steps": 2}}
    config["ops"]["generated_videos"]["config"]["runs"].insert(0, more)
    path.write_text(yaml.safe_dump(config))
    clock.ahead = FIRST_WAIT_S + 1
    found, _ = tick(new_executors, instance, cursor)
    (again,) = found.run_requests
    assert names_of(again) == [*names_of(request), "added-01234567"]
    order = instance.get_dynamic_partitions("evaluation_runs")
    ends = [again.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end")]
    assert [order.index(end) for end in ends] == [0, len(order) - 1]


def keep(training, *steps: int) -> None:
    for step in steps:
        folder = training / "adapters" / f"step-{step:08d}"
        folder.mkdir(parents=True)
        (folder / "pytorch_lora_weights.safetensors").write_bytes(b"weights")


def names_of(request: dg.RunRequest) -> list[str]:
    return json.loads(request.tags["wmsd/evaluation_runs"])


def test_failed_points_of_a_curve_are_asked_for_again_beside_new_ones(evaluations, instance, clock):
    keep(evaluations, 55, 110)
    found, cursor = tick(new_checkpoints, instance, None)
    (request,) = found.run_requests
    run(failing, request, instance)
    keep(evaluations, 165)
    found, cursor = tick(new_checkpoints, instance, cursor)
    (second,) = found.run_requests
    assert names_of(second) == ["wmsd-step-00165"], "the others wait"
    run(working, second, instance)
    found, cursor = tick(new_checkpoints, instance, cursor)
    assert not found.run_requests and "attempt 2 begins at" in found.skip_message
    clock.ahead = FIRST_WAIT_S + 1
    keep(evaluations, 220)
    found, cursor = tick(new_checkpoints, instance, cursor)
    again, fresh = found.run_requests
    assert names_of(again) == ["wmsd-step-00055", "wmsd-step-00110"] and names_of(fresh) == ["wmsd-step-00220"]
    assert again.run_key != request.run_key
    under_way = add(Status.QUEUED, again, instance)
    run(working, fresh, instance)
    found, cursor = tick(new_checkpoints, instance, cursor)
    assert not found.run_requests and f"run {under_way.run_id[:8]} is queued" in found.skip_message
    # A step that is trained again starts anew.
    lora = evaluations / "adapters" / "step-00000165" / "pytorch_lora_weights.safetensors"
    lora.unlink()
    lora.write_bytes(b"others")
    (third,) = tick(new_checkpoints, instance, cursor)[0].run_requests
    assert names_of(third) == ["wmsd-step-00165"] and "after" not in third.run_key
