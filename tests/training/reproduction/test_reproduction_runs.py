"""Many trainers side by side: in order, within the time, each ending a result, and a kill costs nothing that ended."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.training.reproduction import stand_in_trainer
from tests.training.reproduction.made_up_runs import MODEL, options_of
from tests.training.tiny_run import metrics_of
from training.reproduce import main
from training.reproduction.runner import LOCK, MOST_FAILURES, Record, Runner, record_of
from training.reproduction.schedule import planned_runs

pytestmark = pytest.mark.slow

HANG_S = 400  # a limit for a hang, not for a busy machine


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Makes a Runner over stand-ins from experiments; `said` of it are its lines."""
    monkeypatch.setattr(
        "training.reproduction.runner.command", lambda path: [sys.executable, stand_in_trainer.__file__, str(path)]
    )
    (tmp_path / "manifest.json").write_text("{}")
    training = {"model": MODEL, "conditions": str(tmp_path), "run": {"steps": 4}, "optimizer": {"lr": 0.01}}

    def make(experiments, minutes=10_000.0, at_once=2, grace_s=60.0):
        runs = planned_runs(options_of(experiments, training=training, output=str(tmp_path / "out")))
        said = []
        runner = Runner(runs, at_once=at_once, minutes=minutes, grace_s=grace_s, say=said.append)
        runner.said = said
        return runner

    return make


def ends(runner):
    return {run.label: record_of(run).status for run in runner.runs}


SLOW = {"steps": 4000, "changes": {"optimizer": {"lr": 0.05}}}


def when_logged(runner, act):
    """Calls `act` from another thread once the first run has logged a step."""

    def wait():
        path, deadline = runner.runs[0].folder / "metrics.jsonl", time.monotonic() + HANG_S
        while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_runs_end_in_their_order_and_are_not_repeated(made):
    runner = made([{"name": "a"}, {"name": "b", "seeds": [0, 1]}], at_once=1)
    runner.run()
    assert set(ends(runner).values()) == {"finished"} and not runner.failed
    begun = [line.split()[0] for line in runner.said if " begins " in line]
    assert begun == ["a/0", "b/0", "b/1"]
    again = made([{"name": "a"}, {"name": "b", "seeds": [0, 1]}, {"name": "c"}])
    again.run()
    assert [line.split()[0] for line in again.said if " begins " in line] == ["c/0"]
    assert "4 runs, 3 already ended" in again.said[0]


def test_a_run_that_diverges_is_a_result_and_one_that_fails_is_tried_again(made):
    experiments = [{"name": "d", "method": "dmd"}, {"name": "s", "method": "sft"}, {"name": "a"}]
    runner = made(experiments)
    runner.run()
    assert ends(runner) == {"d/0": "diverged", "s/0": "failed", "a/0": "finished"}
    diverged = record_of(runner.runs[0])
    assert (diverged.step, diverged.reason) == (2, "step 3: the gradient norm is nan")
    assert runner.failed == {"s/0": "OSError: the disk is full (exit status 1)"}
    again = made(experiments)
    again.run()
    assert [line.split()[0] for line in again.said if " begins " in line] == ["s/0"]


def test_many_failures_are_a_fault_of_the_setup_and_end_it(made):
    runner = made([{"name": f"s{n}", "method": "sft"} for n in range(6)], at_once=1)
    runner.run()
    assert len(runner.failed) == MOST_FAILURES
    assert sorted(ends(runner).values()) == ["failed"] * 3 + ["not run"] * 3


def test_what_does_not_fit_is_named_and_not_begun(made):
    runner = made([{"name": "a"}, {"name": "b", "changes": {"rollout": {"group": 10**6}}}], minutes=5)
    runner.run()
    assert ends(runner) == {"a/0": "finished", "b/0": "not run"}
    assert "no time for b/0" in runner.said[0]


def test_when_the_time_is_over_runs_save_and_go_on_another_time(made, monkeypatch):
    runner = made([{"name": "a", **SLOW}])
    thread = when_logged(runner, lambda: setattr(runner, "deadline", time.monotonic()))
    runner.run()
    thread.join()
    record = record_of(runner.runs[0])
    assert record.status == "unfinished" and record.step >= 1 and "saved at step" in record.reason
    assert runner.asked == 0


def test_asked_to_end_it_ends_its_runs_after_they_saved(made):
    runner = made([{"name": "a", **SLOW}, {"name": "b", **SLOW}, {"name": "c"}])
    thread = when_logged(runner, lambda: os.kill(os.getpid(), signal.SIGTERM))
    runner.run()
    thread.join()
    assert runner.asked == signal.SIGTERM and not runner.children
    assert ends(runner) == {"a/0": "unfinished", "b/0": "unfinished", "c/0": "not run"}


def test_a_run_that_does_not_end_is_killed(made):
    runner = made([{"name": "deaf", "method": "rl_only", **SLOW}], grace_s=0.2)
    thread = when_logged(runner, lambda: os.kill(os.getpid(), signal.SIGINT))
    runner.run()
    thread.join()
    assert ends(runner) == {"deaf/0": "unfinished"} and not runner.failed


def test_a_folder_that_another_process_holds_is_waited_for(made):
    runner = made([{"name": "a"}])
    folder = runner.runs[0].folder
    folder.mkdir(parents=True)
    with (folder / LOCK).open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        threading.Timer(1.5, lambda: fcntl.flock(held, fcntl.LOCK_UN)).start()
        runner.run()
    assert ends(runner) == {"a/0": "finished"}


def test_the_pace_is_measured_on_the_steps_of_runs_so_far(made):
    runner = made([{"name": "a"}, {"name": "b"}])
    first, second = runner.runs
    before = runner.seconds_of([second])["b/0"]
    first.folder.mkdir(parents=True)
    lines = [json.dumps({"step": n, "seconds": 1000.0}) + "\n" for n in (1, 2)]
    (first.folder / "metrics.jsonl").write_text("".join(lines) + '{"step": 3, "sec')
    assert runner.seconds_of([second])["b/0"] > 4000 > before
    assert runner.seconds_of([first])["a/0"] < 0.6 * runner.seconds_of([second])["b/0"]


def tree(pid: int) -> list[int]:
    """`pid` and the processes below it."""
    found = [pid]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found += tree(int(stat.parent.name))
    return found


def test_a_killed_reproduction_goes_on_with_real_trainers(tiny_bench, tmp_path, repository):
    """kill -9 of everything: what ended is not run again, what was cut off goes on, a divergence stays one."""
    training = tiny_bench.options(tmp_path / "none", held_out={"every": 2})
    del training["output"]
    experiments = [
        {"name": "cut", "steps": 12},
        {"name": "diverges", "method": "dmd", "changes": {"optimizer": {"stop_norm": 1e-9}}},
    ]
    output, path = tmp_path / "out", tmp_path / "r.json"
    path.write_text(json.dumps({"output": str(output), "training": training, "experiments": experiments}))
    process = subprocess.Popen(
        [sys.executable, "-m", "training.reproduce", "--config", str(path)],
        cwd=repository,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + HANG_S
    while time.monotonic() < deadline and process.poll() is None:
        (steps,) = [p.read_bytes().count(b"\n") for p in output.glob("runs/cut/*/metrics.jsonl")] or [0]
        if steps >= 2:
            break
        time.sleep(0.01)
    for pid in tree(process.pid):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    (cut,) = output.glob("runs/cut/*")
    assert len(metrics_of(cut)) < 12 and not (cut / "run.json").exists()
    assert main(["--config", str(path)]) == 0
    assert [line["step"] for line in metrics_of(cut)] == list(range(1, 13))
    found = json.loads((output / "reproduction.json").read_text())
    status = {run["name"]: run["status"] for run in found["runs"]}
    assert status == {"cut": "finished", "diverges": "diverged"} and found["complete"]
    assert "resumed at step" in (cut / "train.log").read_text()
    points = next(run["curve"] for run in found["runs"] if run["name"] == "cut")
    assert [point["step"] for point in points] == [0, 2, 4, 6, 8, 10, 12]
    assert all(len(point["task"]["verdicts"]) == 2 for point in points)
    claims = {claim["key"]: claim for claim in found["claims"]}
    assert claims["dmd_diverges"]["verdict"] == "holds" and "stopped at step 1" in claims["dmd_diverges"]["numbers"]
    # A third time there is nothing to do.
    records = {p: p.stat().st_mtime_ns for p in output.glob("runs/*/*/run.json")}
    assert main(["--config", str(path)]) == 0
    assert {p: p.stat().st_mtime_ns for p in output.glob("runs/*/*/run.json")} == records


def test_a_record_is_read_back_and_an_absent_one_says_not_run(made):
    runner = made([{"name": "a"}])
    assert record_of(runner.runs[0]) == Record()
