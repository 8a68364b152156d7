"""Judging in worker processes. They import numpy, OpenCV and the judge, and nothing of the caller: no torch."""

import base64
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence

from microworld.exact_judge import Verdict
from models.vlm.protocol import VLMUnavailable
from storage.processes import how_it_ended, worker_environment

COMMAND = (sys.executable, "-m", "microworld.verdict_worker")


class WorkerDied(Exception):
    """A worker ended in the middle of a job."""


class VerdictPool:
    """Up to `workers` processes, each started when first needed. Any thread may ask; more threads than workers wait.

    A worker that dies (killed from outside, out of memory) is replaced and its job given to the next one, once.
    Raises ValueError for fewer than one worker.
    """

    def __init__(self, workers: int, command: Sequence[str] = COMMAND):
        if workers < 1:
            raise ValueError(f"workers {workers}: use at least 1")
        self._command = list(command)
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()  # last in, first out: what runs is used first
        for _ in range(workers):
            self._idle.put(None)
        self._running: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = False

    def verdict(self, frames: Sequence[bytes], task: str) -> Verdict:
        """The verdict on a video of encoded frames (verdict_worker.judge_encoded).

        Raises ValueError for frames that cannot be judged, models.vlm.protocol.VLMUnavailable when two workers died of
        the same job or the pool was closed, and RuntimeError when workers do not start.
        """
        job = {"frames": [base64.b64encode(frame).decode("ascii") for frame in frames], "task": task}
        worker = self._idle.get()
        try:
            for last_try in (False, True):
                worker = worker or self._start()
                try:
                    reply = worker.ask(job)
                    break
                except WorkerDied as death:
                    self._end(worker)
                    worker = None
                    if last_try or self._closed:
                        raise VLMUnavailable("worker_died", str(death)) from death
        finally:
            self._idle.put(worker)
        if "error" in reply:
            raise ValueError(reply["error"])
        return Verdict(**reply["verdict"])

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that run."""
        with self._lock:
            return sorted(worker.process.pid for worker in self._running)

    def close(self) -> None:
        """Ends the workers; who waits for one gets VLMUnavailable."""
        self._closed = True
        for worker in list(self._running):
            self._end(worker)

    def _start(self) -> "_Worker":
        with self._lock:
            if self._closed:
                raise VLMUnavailable("closed", "the judge's workers were ended")
            worker = _Worker(self._command)
            self._running.add(worker)
        try:
            worker.wait_until_ready()
        except WorkerDied as death:
            self._end(worker)
            if self._closed:
                raise VLMUnavailable("closed", "the judge's workers were ended") from death
            raise RuntimeError(
                f"a worker of the judge does not start ({death}): its own message is on stderr"
            ) from death
        return worker

    def _end(self, worker: "_Worker") -> None:
        with self._lock:
            self._running.discard(worker)
        worker.kill()


class _Worker:
    """One process. For one thread at a time, but for `kill`."""

    def __init__(self, command: list[str]):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=worker_environment(),
            # Ctrl-C and a launcher's SIGTERM go to our whole group; we still want what is being judged, then save.
            process_group=0,
        )

    def wait_until_ready(self) -> None:
        self._reply()

    def ask(self, job: dict) -> dict:
        try:
            self.process.stdin.write(json.dumps(job).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise WorkerDied(how_it_ended(self.process.wait())) from error
        return self._reply()

    def _reply(self) -> dict:
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise WorkerDied(how_it_ended(self.process.wait()))
        return json.loads(line)

    def kill(self) -> None:
        # The pipes are left to whoever may still read them; they close with this object.
        self.process.kill()
        self.process.wait()
