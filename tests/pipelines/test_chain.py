"""The whole chain on the microworld: what it records, what it skips, and what a kill leaves."""

import hashlib
import json
import os
import random
import signal
import subprocess
import time
from collections import Counter

import dagster as dg
import pyarrow.parquet as pq
import pytest

from assets.support.partitions import ALL_SHARDS
from curation.stages import NAMES as STAGES
from storage.tables import KEPT, read_rows

pytestmark = pytest.mark.slow


def digests(store) -> dict[str, str]:
    """SHA-256 of every table, image, cut and published file of a collection."""
    found = {}
    for part in ("tables", "frames", "cuts", "published"):
        for path in sorted((store.folder / part).rglob("*")):
            if path.is_file():
                found[path.relative_to(store.folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def test_a_run_over_all_shards_succeeds_and_records_each_shard(small_store):
    store, result = small_store
    assert result.success
    for stage in STAGES:
        events = [e for e in result.all_events if e.is_step_materialization and e.asset_key.path == [stage]]
        assert {event.partition for event in events} == set(store.shards)
        for event in events:
            metadata = event.materialization.metadata
            table = pq.read_metadata(store.table(stage, event.partition))
            assert metadata["dagster/row_count"].value == table.num_rows
            assert metadata["kept"].value + metadata["rejected"].value == table.num_rows


def test_every_filter_of_the_chain_catches_something(small_store):
    store, _ = small_store
    reasons = {
        stage: Counter(row["reason"] for path in store.tables(stage) for row in read_rows(path, ["reason"]))
        for stage in STAGES
    }
    assert reasons["clips"]["duplicate_id"] and reasons["clips"]["empty_file"] and reasons["clips"]["not_a_video"]
    assert reasons["quality"].total() > reasons["quality"][""]
    assert reasons["aesthetics"]["below_cut"]
    assert reasons["screening"]["unsuitable"]
    assert reasons["tasks"].total() > reasons["tasks"][""] > 0


def test_the_checks_passed_and_three_of_seven_only_warn(small_store):
    _, result = small_store
    checks = {event.check_name: event for event in result.get_asset_check_evaluations()}
    assert set(checks) == {
        "schema_holds",
        "counts_add_up",
        "no_leak",
        "minimum_size",
        "shards_complete",
        "keep_rates_steady",
        "benchmark_size",
    }
    assert all(check.passed for check in checks.values())


def test_the_published_folder_opens_with_datasets(small_store):
    import datasets

    store, _ = small_store
    tree = store.published / "latest"
    manifest = json.loads((tree / "manifest.json").read_text())
    loaded = datasets.load_dataset(str(tree.resolve()))
    pairs = list(read_rows(store.worldtasks))
    kept = Counter(row["split"] for row in pairs if row["status"] == KEPT)
    assert set(loaded) == {"train", "bench"} == set(kept)
    assert manifest["pairs"] == dict(kept)
    image = loaded["bench"][0]["image"]
    assert image.width > 32 and image.height > 32


def test_the_report_is_one_file_without_a_network(small_store):
    store, _ = small_store
    page = store.report.read_text()
    assert "<html" in page and "scripted" in page
    for outside in ('src="http', "src='http", 'href="http', "@import", "url(http"):
        assert outside not in page.replace('href="https://', 'href="HTTPS://') or outside == 'href="http'


def test_a_run_without_a_shard_is_refused_and_records_nothing(tmp_path, job_tools):
    from pipelines.definitions import defs

    recipe, _ = job_tools
    with dg.instance_for_test() as instance:
        job = defs.resolve_job_def("build_worldtasks")
        result = job.execute_in_process(run_config=recipe(tmp_path), instance=instance, raise_on_error=False)
        assert not result.success
        failure = result.failure_data_for_node("clips")
        assert "this run names no shard" in str(failure.error)
        assert not any(event.is_step_materialization for event in result.all_events)
    assert not (tmp_path / "small" / "tables").exists()


def test_a_second_run_does_no_work_again(small_store, job_tools):
    from pipelines.definitions import defs

    store, _ = small_store
    before = digests(store)
    times = {path: path.stat().st_mtime_ns for path in (store.folder / "tables").rglob("*.parquet")}
    with dg.instance_for_test() as instance:
        result = defs.resolve_job_def("build_worldtasks").execute_in_process(
            run_config=job_tools[0](store.root), tags=ALL_SHARDS, instance=instance
        )
    reused = [
        event.materialization.metadata["reused"].value
        for event in result.all_events
        if event.is_step_materialization and event.asset_key.path[0] in STAGES
    ]
    assert all(reused) and len(reused) == len(STAGES) * len(store.shards)
    assert digests(store) == before
    assert {path: path.stat().st_mtime_ns for path in times} == times


@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_killed_at_random_points_ends_with_the_bytes_of_an_unbroken_one(
    small_store, tmp_path, repository, job_tools, request, seed
):
    """kill -9 of the whole process group, again and again, until a run gets through."""
    recipe, start = job_tools
    if seed == 2:  # with the first one, the clips are drawn by the runs that are killed
        request.getfixturevalue("drawn_clips")
    unbroken, _ = small_store
    moments = random.Random(seed)
    config = recipe(tmp_path)
    for _ in range(4):
        run = start(config, ALL_SHARDS, repository)
        try:
            run.wait(timeout=moments.uniform(3, 12))
            break
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    run = start(config, ALL_SHARDS, repository)
    output, _ = run.communicate(timeout=300)
    assert run.returncode == 0, output[-3000:]
    assert digests(type(unbroken)(tmp_path, "small", unbroken.shards)) == digests(unbroken)
    assert not list(tmp_path.rglob("*.tmp")) or all(path.name.startswith(".") for path in tmp_path.rglob("*.tmp"))


def test_two_runs_of_one_shard_at_once_end_with_one_sound_table(
    small_store, drawn_clips, tmp_path, repository, job_tools
):
    recipe, start = job_tools
    unbroken, _ = small_store
    tags = {"dagster/partition": unbroken.shards[0]}
    runs = [start(recipe(tmp_path), tags, repository) for _ in range(2)]
    for run in runs:
        output, _ = run.communicate(timeout=300)
        assert run.returncode == 0, output[-3000:]
    both = type(unbroken)(tmp_path, "small", unbroken.shards)
    for stage in STAGES:
        one = both.table(stage, unbroken.shards[0]).read_bytes()
        assert one == unbroken.table(stage, unbroken.shards[0]).read_bytes(), stage


def test_a_run_killed_in_a_pooled_step_does_not_stop_the_next_one(
    small_store, drawn_clips, tmp_path, repository, job_tools
):
    """Its slot in the pool `gpu` would otherwise stay taken: there is no daemon to give it back."""
    recipe, start = job_tools
    store = type(small_store[0])(tmp_path, "small", small_store[0].shards)
    run = start(recipe(tmp_path), ALL_SHARDS, repository)
    deadline = time.monotonic() + 120
    while not store.tables("tasks") and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert store.tables("tasks") and not store.worldtasks.exists()
    run = start(recipe(tmp_path), ALL_SHARDS, repository)
    output, _ = run.communicate(timeout=180)
    assert run.returncode == 0, output[-3000:]
    assert "has died. Its slots in the pools are free again" in output
