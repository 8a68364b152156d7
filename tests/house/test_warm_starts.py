"""A program that starts warm does what it does when it starts cold, and is as much a process of its own."""

import fcntl
import json
import os
import signal
import subprocess
import sys

import pytest

from storage.processes import death_signal
from tests import warm

pytestmark = pytest.mark.slow

NAME = "tests.house.program"
ENDS = {"well": 0, "three": 3, "words": 1, "failed": 1, "killed": -signal.SIGKILL, "interrupted": -signal.SIGINT}


def run(end: str, **given) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", NAME, end], input="a question", capture_output=True, text=True, timeout=120, **given
    )


@pytest.mark.parametrize("end", ENDS)
def test_a_warm_program_says_and_returns_what_a_cold_one_does(end, warm_starts, monkeypatch, repository):
    given = {"cwd": repository, "env": dict(os.environ), "start_new_session": end == "three"}
    cold, count = run(end, **given), warm_starts.started
    monkeypatch.setattr(warm, "PROGRAMS", {NAME})
    started = run(end, **given)
    assert warm_starts.started == count + 1
    assert started.returncode == cold.returncode == ENDS[end]
    assert json.loads(started.stdout) == json.loads(cold.stdout)
    assert started.stderr.splitlines()[0] == cold.stderr.splitlines()[0] == "to the other stream"
    assert started.stderr.splitlines()[-1] == cold.stderr.splitlines()[-1]  # the error, the traceback above it apart


def test_a_warm_program_sees_the_environment_and_the_folder_it_is_given(warm_starts, monkeypatch, tmp_path):
    monkeypatch.setattr(warm, "PROGRAMS", {NAME})
    monkeypatch.setenv("SINCE", "the process that forks began")
    told = json.loads(run("well", cwd=tmp_path).stdout)
    assert told["folder"] == str(tmp_path) and ["SINCE", "the process that forks began"] in told["environment"]


def test_what_a_warm_program_inherits_is_free_when_it_has_ended(warm_starts, monkeypatch, tmp_path):
    monkeypatch.setattr(warm, "PROGRAMS", {NAME})
    with (tmp_path / "lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        command = [sys.executable, "-m", NAME, "well"]
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, pass_fds=[held.fileno()], preexec_fn=death_signal(), **streams)
    with (tmp_path / "lock").open("a") as again:
        with pytest.raises(BlockingIOError):  # it waits for its input, and holds the lock
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
        process.communicate(b"")
        assert process.returncode == 0
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_programs_that_need_a_process_of_another_kind_start_cold(warm_starts, monkeypatch):
    monkeypatch.setattr(warm, "PROGRAMS", {NAME})
    count = warm_starts.started
    assert run("well", env={**os.environ, "OMP_NUM_THREADS": "7"}).returncode == 0
    assert subprocess.run([sys.executable, "-c", "pass"]).returncode == 0
    assert warm_starts.started == count
