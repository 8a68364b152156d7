"""What is missing or damaged is made again, and what cannot be is told with its cure."""

import os
import shutil
import signal
import time
from dataclasses import replace

import dagster as dg
import pytest

from assets.support.partitions import ALL_SHARDS
from pipelines.definitions import defs
from storage.notes import read_note
from storage.tables import KEPT, read_rows

pytestmark = pytest.mark.slow


@pytest.fixture
def copied(small_store, tmp_path):
    """A copy of the small collection, releases included, that a run finds finished."""
    store, _ = small_store
    shutil.copytree(store.folder, tmp_path / "small", symlinks=True)
    return replace(store, root=tmp_path)


def run(config: dict, raise_on_error: bool = True):
    with dg.instance_for_test() as instance:
        job = defs.resolve_job_def("build_worldtasks")
        return job.execute_in_process(
            run_config=config, tags=ALL_SHARDS, instance=instance, raise_on_error=raise_on_error
        )


def test_a_release_with_a_missing_file_or_link_is_built_again(copied, job_tools):
    tree = (copied.published / "latest").resolve()
    lost = next((tree / "data").glob("train-*.parquet"))
    before = lost.read_bytes()
    lost.unlink()
    (copied.published / "latest").unlink()
    run(job_tools[0](copied.root))
    assert (copied.published / "latest").resolve() == tree
    assert lost.read_bytes() == before


def test_a_damaged_frame_stops_the_release_and_the_next_run_repairs_it(copied, job_tools):
    row = next(row for row in read_rows(copied.worldtasks) if row["status"] == KEPT)
    image = copied.folder / row["image"]
    sound = image.read_bytes()
    image.write_bytes(sound[:-10])
    shutil.rmtree(copied.published)
    config = job_tools[0](copied.root)
    failed = run(config, raise_on_error=False)
    assert not failed.success
    assert "run again" in str(failed.failure_data_for_node("published_dataset").error)
    run(config)
    assert image.read_bytes() == sound


def test_a_run_that_starts_in_a_pool_is_not_stopped_by_a_dead_one(drawn_clips, tmp_path, repository, job_tools):
    """Only pooled stages are selected: the slot has to be free before the first step."""
    recipe, start = job_tools
    config = recipe(tmp_path)
    first = start(config, ALL_SHARDS, repository)
    tables = tmp_path / "small" / "tables"
    deadline = time.monotonic() + 120
    while not list(tables.glob("tasks/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    second = start({**config, "selection": ["tasks", "taxonomy"]}, ALL_SHARDS, repository)
    output, _ = second.communicate(timeout=120)
    assert second.returncode == 0, output[-3000:]
    assert "has died. Its slots in the pools are free again" in output
    assert len(list(tables.glob("taxonomy/*.parquet"))) == 8


def test_another_flaw_rate_asks_again(tmp_path):
    """Its answers differ, so they must not come from the journal of the first."""
    from microworld.vlm import build_vlm
    from models.vlm.options import VLMOptions

    ids = {build_vlm(VLMOptions(flaw_rate=rate)).model_id for rate in (0.0, 0.085, 1.0)}
    assert len(ids) == 3


def test_the_assembly_tells_what_it_did(small_store):
    store, result = small_store
    event = next(e for e in result.all_events if e.is_step_materialization and e.asset_key.path == ["worldtasks"])
    facts = event.materialization.metadata["assembly"].value
    assert facts == read_note(store.worldtasks.with_suffix(".json"), "")
    assert facts["clusters"] > 0 and facts["removal_unmatched"] == 0
