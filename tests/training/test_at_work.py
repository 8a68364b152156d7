"""Two trainers never work on one folder, whatever was killed."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from tests.training.tiny_run import bench, judge_of, metrics_of
from training.at_work import FolderTaken, alone, at_work
from training.train import main
from training.world import World

# A rank among others that need not be there: nobody is refused.
HOLD = """
import sys, time
from pathlib import Path
from tests.training.test_at_work import Rank
from training.at_work import alone
with alone(Path(sys.argv[1]), Rank(int(sys.argv[2])), 0):
    print("in", flush=True)
    time.sleep(600)
"""


class Rank(World):
    def any_(self, told: bool) -> bool:
        return told


@pytest.fixture
def hold(repository, tmp_path):
    """Starts a process that is a rank of a trainer on `tmp_path` until it is killed."""
    held = []

    def start(rank: int) -> subprocess.Popen:
        command = [sys.executable, "-c", HOLD, str(tmp_path), str(rank)]
        held.append(subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, text=True))
        assert held[-1].stdout.readline() == "in\n"
        return held[-1]

    yield start
    for process in held:
        process.kill()
        process.wait()


@pytest.mark.parametrize("left", [0, 1, 12])
def test_a_second_trainer_is_refused_until_the_first_ones_last_process_is_gone(hold, tmp_path, left):
    first = hold(left)
    assert at_work(tmp_path) == [left]
    with pytest.raises(FolderTaken, match="another trainer works on"), alone(tmp_path, World(), patience_s=0.3):
        pass
    first.kill()
    first.wait()
    with alone(tmp_path, World(), patience_s=0.3):
        assert at_work(tmp_path) == [0]
    assert at_work(tmp_path) == []


def test_the_other_processes_of_a_trainer_come_after_its_first(hold, tmp_path):
    hold(0)
    hold(1)
    with alone(tmp_path, Rank(2, 3), patience_s=0):
        assert at_work(tmp_path) == [0, 1, 2]


def test_when_the_first_process_is_refused_all_are(tmp_path):
    class Refused(Rank):
        def any_(self, told: bool) -> bool:
            assert not told
            return True  # says another

    with pytest.raises(FolderTaken), alone(tmp_path, Refused(1, 2), patience_s=0):
        pass
    assert at_work(tmp_path) == []


def test_a_trainer_waits_for_one_that_is_about_to_end(hold, tmp_path):
    first = hold(0)
    os.kill(first.pid, signal.SIGSTOP)
    killer = subprocess.Popen([sys.executable, "-c", f"import os, time; time.sleep(1); os.kill({first.pid}, 9)"])
    with alone(tmp_path, World(), patience_s=240):
        assert killer.wait() == 0 and first.wait() == -signal.SIGKILL


def ranks_of(launcher: int) -> list[int]:
    with open(f"/proc/{launcher}/task/{launcher}/children") as handle:
        return list(map(int, handle.read().split()))


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as handle:
            return handle.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
def test_a_killed_launcher_takes_its_ranks_along_and_a_fresh_start_waits_for_them(tmp_path, repository, monkeypatch):
    """kill -9 of torchrun alone: the ranks hear of it, save, and hold their locks until they are gone."""
    made = bench(tmp_path / "bench")
    output = tmp_path / "run"
    config = made.config(output, {"run": {"steps": 500, "checkpoint_every": 500}})
    trainer = ["tests/training/loop/ranks.py", str(tmp_path / "counts"), str(config)]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", *trainer]
    with (tmp_path / "log").open("w") as log:
        launcher = subprocess.Popen(launch, cwd=repository, stdout=log, stderr=log, start_new_session=True)
        metrics, deadline = output / "metrics.jsonl", time.monotonic() + 240
        while not (metrics.exists() and metrics.read_text()) and time.monotonic() < deadline:
            assert launcher.poll() is None, (tmp_path / "log").read_text()[-3000:]
            time.sleep(0.05)
        ranks = ranks_of(launcher.pid)
        assert at_work(output) == [0, 1] and len(ranks) == 2 and all(map(alive, ranks))
        launcher.kill()
        launcher.wait()
        # At once, on the same folder: it waits until the others have saved and are gone, and clears what they left.
        again = made.config(output, {"run": {"steps": 3, "checkpoint_every": 3}})
        monkeypatch.setattr("training.rewards.judge.build_vlm", partial(judge_of, again))
        assert main(["--config", str(again), "--fresh"]) == 0
        deadline = time.monotonic() + 30
        while any(map(alive, ranks)) and time.monotonic() < deadline:
            time.sleep(0.05)
    assert not any(map(alive, ranks)) and at_work(output) == []
    assert [row["step"] for row in metrics_of(output)] == [1, 2, 3]
    assert [path.name for path in (output / "checkpoints").glob("step-*")] == ["step-00000003"]
    said = (tmp_path / "log").read_text()
    assert "saved at step" in said, said[-3000:]
