"""Judge processes: light, replaced when they die, honest when they cannot be."""

import signal
import subprocess
import sys

import numpy as np
import pytest

from microworld.exact_judge import judge
from microworld.verdict_pool import VerdictPool
from models.vlm.frames import encoded
from models.vlm.protocol import VLMUnavailable

DIES = "import sys; print('{}', flush=True); sys.stdin.readline(); sys.exit(3)"


@pytest.fixture(scope="module")
def video(draw, act):
    scene, tasks = draw(4)
    return act(scene, tasks[0], 6, 32), tasks[0].text


def test_a_worker_s_verdict_is_the_judge_s(video):
    pixels, task = video
    pool = VerdictPool(1)
    try:
        assert pool.verdict(encoded(pixels, "png"), task) == judge(list(pixels), task)
        assert pool.verdict(encoded(pixels, "png"), "no task at all").task == -8
        with pytest.raises(ValueError, match="not an image"):
            pool.verdict((b"x", b"y"), task)
        assert len(pool.pids) == 1, "a video that cannot be judged ends no worker"
    finally:
        pool.close()


def test_a_job_that_kills_two_workers_is_unavailable():
    pool = VerdictPool(1, [sys.executable, "-c", DIES])
    with pytest.raises(VLMUnavailable, match="worker_died: exit status 3"):
        pool.verdict((b"x",), "T")
    pool.close()
    with pytest.raises(VLMUnavailable, match="closed"):
        pool.verdict((b"x",), "T")


# Signals its caller's whole group while it starts and while it judges, as Ctrl-C and a launcher do.
SIGNALS = """
import json, os, sys, time
for reply in {}, {"verdict": {"task": 1.0, "agent": 2.0, "consistency": 3.0, "notes": []}}:
    os.killpg(os.getpgid(os.getppid()), int(sys.argv[1]))
    time.sleep(0.3)
    print(json.dumps(reply), flush=True)
    sys.stdin.readline()
"""
CALLER = """
import signal, sys
from microworld.verdict_pool import VerdictPool
number, heard = int(sys.argv[1]), []
signal.signal(number, lambda *_: heard.append(1))
print(VerdictPool(1, [sys.executable, "-c", sys.argv[2], sys.argv[1]]).verdict((b"x",), "T").task, heard)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_is_the_callers_and_ends_no_judging(repository, number):
    command = [sys.executable, "-c", CALLER, str(int(number)), SIGNALS]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, start_new_session=True)
    assert done.stdout == "1.0 [1, 1]\n", done.stderr


def test_workers_that_do_not_start_are_a_mistake_and_no_failure_of_the_judge():
    with pytest.raises(RuntimeError, match=r"does not start \(exit status 7\)"):
        VerdictPool(1, [sys.executable, "-c", "raise SystemExit(7)"]).verdict((b"x",), "T")


def test_a_pool_without_workers_is_refused():
    with pytest.raises(ValueError, match="workers 0"):
        VerdictPool(0)


def test_a_worker_imports_neither_torch_nor_a_model_library(repository):
    heavy = "{'torch', 'transformers', 'diffusers', 'pandas', 'dagster', 'pydantic', 'av'}"
    code = f"import sys, microworld.verdict_worker; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_worker_ends_with_its_input(repository):
    done = subprocess.run(
        [sys.executable, "-m", "microworld.verdict_worker"], cwd=repository, input=b"", capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b'{"ready": true}\n', b"")


def test_mixed_sizes_are_refused_by_name(video):
    pixels, task = video
    mixed = (*encoded(pixels[:3], "png"), *encoded(np.zeros((1, 48, 48, 3), np.uint8), "png"))
    pool = VerdictPool(1)
    try:
        with pytest.raises(ValueError, match="all must have one shape"):
            pool.verdict(mixed, task)
    finally:
        pool.close()
