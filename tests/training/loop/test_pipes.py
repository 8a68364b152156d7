"""A run that Dagster started is seen there while it runs, and lives on when nobody listens any more."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR, DAGSTER_PIPES_MESSAGES_ENV_VAR, encode_param

from training.loop.pipes import reporter

pytestmark = pytest.mark.slow


def test_without_dagster_nobody_listens():
    with reporter(True) as report:
        assert report is None


CHILD = """
import shutil, sys
from pathlib import Path
import numpy as np
from training.loop.log import RunLog
from training.loop.pipes import reporter

with reporter(False) as nobody:
    assert nobody is None, "only the first process speaks"
with reporter(True) as report, RunLog(Path(sys.argv[1]), 2, report=report) as log:
    log.begin()
    log.note("it begins")
    for step in (1, 2):
        log.step(step, {"loss": 0.25})
    log.picture(2, "rollouts", np.zeros((9, 9, 3), np.uint8))
    log.finish({"steps": 2}, "| a |")
    if sys.argv[2:]:  # the run's own folder for messages vanishes, as when its process was killed
        shutil.rmtree(Path(sys.argv[2]).parent)
        log.note("nobody hears this")
        log.note("nor this")
        print("alive")
"""


def test_a_run_that_dagster_started_ends_with_a_materialization(tmp_path: Path):
    @dg.asset
    def trained(context: dg.AssetExecutionContext):
        client = dg.PipesSubprocessClient()
        result = client.run(command=[sys.executable, "-c", CHILD, str(tmp_path)], context=context)
        heard.extend(result.get_custom_messages())
        return result.get_materialize_result()

    heard: list[dict] = []
    with dg.instance_for_test() as instance:
        done = dg.materialize([trained], instance=instance)
        logged = [entry.user_message for entry in instance.all_logs(done.run_id)]
    metadata = done.asset_materializations_for_node("trained")[0].metadata
    assert metadata["steps"].value == 2 and metadata["last loss"].value == 0.25
    assert metadata["scores"].value == "| a |" and metadata["curves"].value.startswith("![curves](data:image/png")
    assert metadata["rollouts"].value.startswith("![step-00000002-rollouts]")
    assert [message["kind"] for message in heard] == ["note", "progress", "progress"]
    assert "it begins" in logged and any(line.startswith("step 2/2  loss 0.25") for line in logged)


def test_a_trainer_outlives_a_run_that_no_longer_listens(tmp_path: Path):
    context = {
        "asset_keys": ["trained"],
        "run_id": "r",
        "retry_number": 0,
        "extras": {},
        "code_version_by_asset_key": {},
        "provenance_by_asset_key": {},
        **dict.fromkeys(("job_name", "partition_key", "partition_key_range", "partition_time_window")),
    }
    messages = tmp_path / "messages" / "file"
    messages.parent.mkdir()
    messages.touch()
    told = {
        DAGSTER_PIPES_CONTEXT_ENV_VAR: encode_param({"data": context}),
        DAGSTER_PIPES_MESSAGES_ENV_VAR: encode_param({"path": str(messages)}),
    }
    ran = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "out"), str(messages)],
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0 and ran.stdout == "alive\n", ran.stderr
    assert ran.stderr.count("no longer listens") == 1
