"""Judging as a process: ended half-way, made to wait, and kept as busy as its server may be."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from evaluation.judging.judge_runs import LOCK, judge_runs
from evaluation.videos import read_frames
from storage.files import exclusive
from tests.evaluation.judging.judge_rig import make_run
from tests.evaluation.judging.told import Told, failures, judgements, options
from tests.models.vlm.chat_server import ChatServer

pytestmark = pytest.mark.slow


def command(folder, server, tmp_path):
    config = tmp_path / "judge.json"
    vlm = {"backend": "openai", "model": "m", "base_url": server.base_url, "preflight": False}
    config.write_text(json.dumps({"runs": [str(folder)], "vlm": vlm, "concurrency": 2}))
    return [sys.executable, "-m", "evaluation.judge", "--config", str(config)]


def wait_for(condition, process):
    until = time.monotonic() + 120
    while not condition():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("number, status", [(signal.SIGKILL, -9), (signal.SIGTERM, 3)])
def test_a_judging_that_was_ended_asks_only_what_is_missing(run, tmp_path, repository, number, status):
    with ChatServer(delay_s=0.1) as server:
        first = subprocess.Popen(command(run, server, tmp_path), cwd=repository, stderr=subprocess.PIPE)
        wait_for(lambda: len(server.answered) >= 7, first)
        os.kill(first.pid, number)
        first.communicate()
        assert first.returncode == status
        assert not (run / "judgements.jsonl").exists()
        time.sleep(0.3)
        server.delay_s, before = 0, len(server.bodies)
        assert before < 18
        second = subprocess.run(command(run, server, tmp_path), cwd=repository, capture_output=True, text=True)
        assert second.returncode == 0, second.stderr
        asked = len(server.bodies) - before
        assert asked <= 18 - 5  # at most those in flight at the end (2) were lost
        assert f"{asked} asked, {18 - asked} known" in second.stderr
        assert len(judgements(run)) == 18 and not failures(run)
        third = subprocess.run(command(run, server, tmp_path), cwd=repository, capture_output=True, text=True)
        assert "0 asked, 18 known" in third.stderr and len(server.bodies) == before + asked


def test_a_judging_that_waits_for_another_one_says_so_and_ends_when_told(run, tmp_path, repository):
    with ChatServer() as server, exclusive(run / LOCK):
        waiting = subprocess.Popen(
            command(run, server, tmp_path), cwd=repository, stderr=subprocess.PIPE, text=True, bufsize=1
        )
        assert "run: another process is judging it" in waiting.stderr.readline()
        waiting.send_signal(signal.SIGTERM)
        assert waiting.wait(60) == 3 and "SIGTERM" in waiting.stderr.read()
    assert not (run / "judgements.jsonl").exists()


@pytest.mark.parametrize("concurrency", [2, 6, 9, 18])
def test_the_server_always_has_as_many_requests_as_it_may(run, concurrency):
    """It answers none before it has that many: a judging that could not keep it full would wait for ever."""

    class Full(Told):
        barrier = None

        async def log_odds(self, question, media):
            self.barrier = self.barrier or asyncio.Barrier(concurrency)
            await self.barrier.wait()
            return await super().log_odds(question, media)

    vlm = Full(lambda question, n: 1.0)
    (result,) = judge_runs([run], options(concurrency=concurrency, decoders=1, timeout_s=60), vlm)
    assert (result.asked, result.failures) == (18, {})


def test_no_more_videos_are_open_than_keep_the_server_full(tmp_path, monkeypatch):
    folder = make_run(tmp_path / "run", 30)
    decoded = []
    real = read_frames
    monkeypatch.setattr("evaluation.judging.looking.read_frames", lambda *given: decoded.append(1) or real(*given))
    most = 0

    def answer(question, n):
        nonlocal most
        most = max(most, len(decoded) - n // 3)
        return 1.0

    judge_runs([folder], options(concurrency=3, decoders=2), Told(answer))
    assert len(decoded) == 30
    assert most <= 1 + 2 * 2 + 1
