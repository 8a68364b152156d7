"""An evaluation that is cancelled, or whose child is killed, keeps what is finished, and the next one goes on there."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from assets.support.child import descendants
from tests.assets.evaluation.conftest import event_of
from tests.started import started

pytestmark = pytest.mark.slow

LIMIT_S = 400  # only for a process that hangs
RUNNER = """
import json, os, sys
import dagster as dg
from pipelines.definitions import defs
from dagster._utils.interrupts import capture_interrupts, setup_interrupt_handlers
setup_interrupt_handlers()
with dg.instance_for_test() as instance, capture_interrupts():
    instance.add_dynamic_partitions("evaluation_runs", ["base"])
    defs.resolve_job_def("evaluate_worldtasks").execute_in_process(
        run_config=json.load(sys.stdin), instance=instance, tags={"dagster/partition": "base"}
    )
"""


def start(recipe: dict, repository: Path) -> subprocess.Popen:
    recipe = recipe | {"loggers": {"console": {"config": {"log_level": "INFO"}}}}
    return started(RUNNER, recipe, repository)


def end(process: subprocess.Popen, how: str) -> None:
    """Cancels the run, or kills its child."""
    if how == "cancelled":
        process.send_signal(signal.SIGTERM)
        return
    for pid in descendants(process.pid):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(("how", "status"), [("cancelled", 3), ("killed", -signal.SIGKILL)])
def test_what_is_finished_is_kept_and_the_rest_made_later(fresh, run_job, repository, how, status):
    videos = fresh.folder("base") / "videos"
    recipe = fresh.changed("generated_videos", benchmark={"microworld": {"tasks": 60}}, batch=1)
    process, deadline = start(recipe, repository), time.monotonic() + LIMIT_S
    while len(list(videos.glob("0*.mp4"))) < 4 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    end(process, how)
    said, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode != 0 and f"exit status {status}" in said, said[-3000:]
    before = {path: path.stat().st_mtime_ns for path in videos.glob("0*.mp4")}
    assert 4 <= len(before) < 60
    assert not (fresh.folder("base") / "manifest.jsonl").exists()
    resumed = run_job(recipe, names=["base"], only=["generated_videos"])
    assert resumed.success
    # A video whose file was in place and not yet journaled is made again: at most one, the batch at hand.
    kept = sum(path.stat().st_mtime_ns == then for path, then in before.items())
    assert kept >= len(before) - 1
    assert event_of(resumed, "generated_videos", "base").metadata["videos made now"].value == 60 - kept
