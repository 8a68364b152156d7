"""A child of an asset: what it reports, how it fails, and how it is stopped."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from assets.support.child_log import cause, last_error
from tests.assets.training import children

pytestmark = pytest.mark.slow


def materialize(program: str, folder: Path, raise_on_error: bool = True, **given) -> dg.ExecuteInProcessResult:
    @dg.asset
    def trained(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return children.started(context, program, folder, **given)

    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return dg.materialize([trained], run_config=quiet, raise_on_error=raise_on_error)


def run(name: str, folder: Path, grace_s: float, repository: Path) -> subprocess.Popen:
    """A run of the asset in a process group of its own, as a person or the daemon would start it."""
    return subprocess.Popen(
        [sys.executable, children.__file__, name, str(folder), str(grace_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=repository,
        start_new_session=True,
    )


def wait_for(path: Path, seconds: float = 240) -> str:
    deadline = time.monotonic() + seconds
    while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return path.read_text()


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not yet reaped by its parent does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_what_the_child_reports_is_the_assets_metadata(tmp_path):
    result = materialize(children.REPORTS, tmp_path)
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert metadata["reward"].value == 0.5
    assert isinstance(metadata["curve"], dg.MarkdownMetadataValue)
    assert (tmp_path / "train.log").read_text() == "step 1 of 1\n"


def test_a_failing_child_fails_the_asset_with_its_own_last_error(tmp_path):
    result = materialize("def f():\n    raise ValueError('lora.targets: no such layer')\nf()", tmp_path, False)
    assert not result.success
    failure = result.failure_data_for_node("trained")
    said = failure.user_failure_data.description
    assert said.startswith("ValueError: lora.targets: no such layer (exit status 1; its whole output: ")
    assert str(tmp_path / "train.log") in said
    assert not result.get_asset_materialization_events()


def test_the_log_keeps_what_earlier_children_said_and_only_the_last_ones_error_counts(tmp_path):
    materialize("raise KeyError('old')", tmp_path, False)
    result = materialize("import sys; print('plain words'); sys.exit(2)", tmp_path, False)
    assert result.failure_data_for_node("trained").user_failure_data.description.startswith("plain words (exit")
    assert "KeyError: 'old'" in (tmp_path / "train.log").read_text()


def test_a_childs_files_are_written_while_nobody_else_may_start(tmp_path):
    def free() -> bool:
        with (tmp_path / ".lock").open("a") as other:
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    seen = []
    given = {"prepare": lambda: seen.append(("prepare", free())), "finish": lambda: seen.append(("finish", free()))}
    materialize("raise SystemExit(1)", tmp_path, raise_on_error=False, **given)
    assert seen == [("prepare", False)]  # it did not end well
    materialize(children.REPORTS, tmp_path, **given)
    assert seen[1:] == [("prepare", False), ("finish", False)] and free()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ""),
        ("step 1\rstep 2\rstep 3\n", "step 3"),
        ("Traceback (most recent call last):\n  File x\nA: b\n", "A: b"),
        (
            "note: fine\nChangedRecipe: other options:\n  lr: 1 -> 2\nTake the first.\n",
            "ChangedRecipe: other options:\n  lr: 1 -> 2\nTake the first.",
        ),
        # Several processes: the cause first, then what their launcher makes of it.
        (
            "[rank1]: Traceback (most recent call last):\n[rank1]:   File x\n[rank1]: StaleConditions: other dataset\n"
            "E1121 elastic: failed (exitcode: 1)\nTraceback (most recent call last):\n  File y\n"
            "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n=====\n",
            "StaleConditions: other dataset",
        ),
        # One that is gone is missed by the others, who then speak last.
        (
            "Traceback\n[rank1]: ValueError: no such layer\n"
            "[rank0]: RuntimeError: [/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:561] Connection closed\n",
            "ValueError: no such layer",
        ),
        (
            "[rank0]: torch.distributed.DistBackendError: NCCL error in: x.cpp:1\n[rank0]: ncclSystemError: y\n",
            "torch.distributed.DistBackendError: NCCL error in: x.cpp:1\nncclSystemError: y",
        ),
    ],
)
def test_the_last_error_is_the_cause(tmp_path, text, wanted):
    log = tmp_path / "log"
    log.write_text(text)
    assert last_error(log) == wanted


GLOO = "[rank0]: RuntimeError: [/x/gloo/transport/tcp/pair.cc:561] Connection closed by peer [127.0.0.1]:1. GLHF!\n"
MEMORY = "killed by signal 9 (SIGKILL): often the system had no memory left"


@pytest.mark.parametrize(
    ("text", "status", "wanted"),
    [
        (
            GLOO + "E1129 api.py:1] failed (exitcode: -9) local_rank: 1 (pid: 7) of binary: x\n",
            1,
            f"its process of rank 1 was {MEMORY}",
        ),
        # The first in the launcher's list answered the second's end.
        (
            "Aborted: x\n  rank      : 0 (local_rank: 0)\n  exitcode  : -6 (pid: 7)\n"
            "  rank      : 1 (local_rank: 1)\n  exitcode  : -9 (pid: 8)\n",
            1,
            f"its process of rank 1 was {MEMORY}",
        ),
        (
            "[rank2]: CudaError: illegal access\nE1129 api.py:1] failed (exitcode: -6) local_rank: 2 (pid: 7) of x\n",
            1,
            "its process of rank 2 was killed by signal 6 (SIGABRT). It had printed last: CudaError: illegal access",
        ),
        ("step 1/60 reward -3.215\n", -9, f"the program was {MEMORY}. It had printed last: step 1/60 reward -3.215"),
        ("", -40, "the program was killed by signal 40"),
        # Failures of its own are no kill, nor is how the launcher then ends the others.
        (
            "ValueError: x\nE1129 failed (exitcode: 1) local_rank: 0 (pid: 7)\n  rank : 1 (local_rank: 1)\n"
            "  exitcode : -15 (pid: 8)\n",
            1,
            "ValueError: x",
        ),
        ("", 2, "the program printed nothing"),
    ],
)
def test_a_process_that_was_killed_is_told_as_that_and_not_by_what_others_say_of_it(tmp_path, text, status, wanted):
    (tmp_path / "log").write_text(text)
    assert cause(tmp_path / "log", 0, status) == wanted


def test_a_killed_childs_own_processes_are_waited_for_before_the_run_ends(tmp_path):
    """Else the next in the pool `gpu` would start while they still save."""
    seen = []

    def busy() -> bool:
        seen.append((tmp_path / "train.log").exists())
        return len(seen) == 2  # once after the child was killed

    result = materialize("import os; os.kill(os.getpid(), 9)", tmp_path, False, busy=busy)
    assert result.failure_data_for_node("trained").user_failure_data.description.startswith(f"the program was {MEMORY}")
    assert seen == [False, True, True]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_cancelled_run_ends_after_its_child_has_saved(tmp_path, repository, number):
    process = run("saves", tmp_path, 30, repository)
    child, worker = map(int, wait_for(tmp_path / "started").split())
    process.send_signal(number)
    output, _ = process.communicate(timeout=240)
    assert process.returncode != 0
    assert (tmp_path / "saved").read_text() == "worker alive: True", output[-3000:]
    assert "the child process ended with exit status 3" in output
    assert not alive(child) and not alive(worker)


def test_a_child_that_does_not_end_is_killed_with_all_below_it(tmp_path, repository):
    process = run("stubborn", tmp_path, 0.5, repository)
    child, worker = map(int, wait_for(tmp_path / "started").split())
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=240)
    assert not alive(child) and not alive(worker)


def test_kill_9_of_a_run_frees_the_pool_and_lets_the_child_save_before_the_next_starts(tmp_path, repository):
    first = run("saves", tmp_path, 30, repository)
    child, _ = map(int, wait_for(tmp_path / "started").split())
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    second = run("reports", tmp_path, 30, repository)
    output, _ = second.communicate(timeout=240)
    assert second.returncode == 0, output[-3000:]
    assert "freed: ['" in output  # the dead run's slot in the pool
    assert (tmp_path / "saved").exists()
    assert not alive(child)
