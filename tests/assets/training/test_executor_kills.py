"""`train_wmsd` with two processes, of which any is killed: one trainer at a time, and the cause is told."""

import json
import os
import signal
from pathlib import Path

import pytest

from assets.support.child import descendants
from tests.assets.training.runs import RUNNER, first_step
from tests.started import started
from training.at_work import at_work

pytestmark = pytest.mark.slow

KILLED = "killed by signal 9 (SIGKILL): often the system had no memory left"
SAID = {
    "launcher": f"the program was {KILLED}. It had printed last: ",
    "rank": f"its process of rank 1 was {KILLED} (exit status 1; its whole output: ",
}


def processes_of(run: int) -> dict[str, int]:
    """The process ids of a Dagster run, of the launcher that it started and of the launcher's rank 1."""
    found = {"run": run}
    for pid in descendants(run):
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        if "torch.distributed.run" in words:
            found["launcher"] = pid
        elif "training.train" in words and "RANK=1" in Path(f"/proc/{pid}/environ").read_text().split("\0"):
            found["rank"] = pid
    return found


@pytest.mark.parametrize("victim", ["run", "launcher", "rank"])
def test_whatever_is_killed_the_next_start_waits_and_goes_on(trained, run_job, repository, victim):
    run = {"steps": 30, "checkpoint_every": 2, "grid_every": 0}
    recipe = trained.changed(name=f"killed-{victim}", processes=2, grace_s=120, run=run)
    recipe["loggers"] = {"console": {"config": {"log_level": "INFO"}}}
    output = trained.store.training / f"killed-{victim}"
    process = started(RUNNER, recipe, repository)
    metrics = first_step(output, process)
    found = processes_of(process.pid)
    assert set(found) == {"run", "launcher", "rank"} and at_work(output) == [0, 1]
    os.kill(found[victim], signal.SIGKILL)
    if victim != "run":
        said, _ = process.communicate(timeout=400)
        assert process.returncode != 0 and SAID[victim] in said, said[-4000:]
        assert at_work(output) == []  # the run, which holds its place in the pool, lasted as long
    # At once: the dead run's processes still save.
    resumed = run_job(recipe, only=("executor",))
    process.wait()
    log = (output / "train.log").read_text()
    assert resumed.success, log[-3000:]
    assert at_work(output) == []
    assert [json.loads(line)["step"] for line in metrics.read_text().splitlines()] == list(range(1, 31))
    if victim != "rank":  # they heard of it, and lost no step
        assert "saved at step" in log
