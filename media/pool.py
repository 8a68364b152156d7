"""Worker processes for media files:

parallel over files, a hard time limit each, and no file can take the others down.
"""

import collections
import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from typing import Any

from media.errors import MediaError
from storage.full_disk import REMEDY, CannotWrite
from storage.processes import worker_environment

# Against decompression bombs. An 8K HEVC clip needs about 2 GiB of address space with one thread, libraries included.
MEMORY_BYTES = 4 << 30

REPLY_BYTES = 1 << 16
START_S = 60  # to import the libraries on a crowded machine
STDERR_BYTES = 400


class WorkerDied(Exception):
    """The process ended without a reply."""


class MediaPool:
    """Runs jobs in `workers` processes (default: one a usable core) and gives up on a file after `timeout_s` seconds.

    `verbs` names the module whose VERBS the workers offer. Use as a context manager and from one thread; leaving it,
    or the death of this process, ends the workers. Raises ValueError for options out of range.
    """

    def __init__(
        self,
        workers: int | None = None,
        timeout_s: float = 60.0,
        verbs: str = "media.verbs",
        memory_bytes: int = MEMORY_BYTES,
    ):
        self.workers = len(os.sched_getaffinity(0)) if workers is None else workers
        if self.workers < 1:
            raise ValueError(f"workers {workers}: use at least 1")
        if not timeout_s > 0:
            raise ValueError(f"timeout_s {timeout_s}: use a positive number of seconds")
        self.timeout_s = timeout_s
        self._command = [sys.executable, "-m", "media.worker", verbs, str(memory_bytes), str(os.getpid())]
        self._idle: collections.deque[Worker] = collections.deque()
        self._busy: set[Worker] = set()

    def __enter__(self) -> "MediaPool":
        return self

    def __exit__(self, *_) -> None:
        for worker in (*self._idle, *self._busy):
            worker.kill()
        self._idle.clear()
        self._busy.clear()

    def run(self, jobs: Iterable[dict], timeout_s: float | None = None) -> Iterator[tuple[dict, Any]]:
        """Yields (job, result or MediaError) for each job as it finishes; jobs are taken as workers become free.

        Raises OSError when a worker could not write its output (a full disk), which is nobody's file's fault. A
        generator that is left early kills what is still running.
        """
        limit = self.timeout_s if timeout_s is None else timeout_s
        todo = iter(jobs)
        with selectors.DefaultSelector() as selector, contextlib.ExitStack() as undo:
            undo.callback(self._abandon)
            self._occupy(todo, selector, limit)
            while self._busy:
                finished = self._finished(selector)
                for worker, _, _ in finished:
                    selector.unregister(worker.output)
                    self._busy.discard(worker)
                    if worker.usable:
                        self._idle.append(worker)
                    else:
                        worker.kill()
                self._occupy(todo, selector, limit)  # before yielding: the caller may take its time
                yield from ((job, outcome) for _, job, outcome in finished)

    def _occupy(self, todo: Iterator[dict], selector: selectors.BaseSelector, limit: float) -> None:
        """Gives every free worker a job, while there are jobs."""
        while len(self._busy) < self.workers and (job := next(todo, None)) is not None:
            worker = self._start(job, limit)
            selector.register(worker.output, selectors.EVENT_READ, worker)

    def _start(self, job: dict, limit: float) -> "Worker":
        """Gives a job to an idle worker or a new one."""
        while True:
            fresh = not self._idle
            worker = Worker(self._command) if fresh else self._idle.popleft()
            try:
                worker.send(job, limit)
            except BrokenPipeError:  # an idle worker was killed from outside
                if fresh:
                    worker.post_mortem()
                worker.kill()
                continue
            self._busy.add(worker)
            return worker

    def _finished(self, selector: selectors.BaseSelector) -> list[tuple["Worker", dict, Any]]:
        """Waits for replies, deaths or deadlines: (worker, job, outcome) each; a reply in part gives nothing yet."""
        wait = min(worker.deadline for worker in self._busy) - time.monotonic()
        ready = [key.data for key, _ in selector.select(max(wait, 0))]
        done = []
        for worker in ready:
            try:
                reply = worker.receive()
            except WorkerDied:
                done.append((worker, worker.job, worker.post_mortem()))
            else:
                if reply is not None:
                    done.append((worker, worker.job, outcome_of(reply)))
        # A reply that is here counts, however long the caller kept us from looking.
        for worker in self._busy - set(ready):
            if time.monotonic() >= worker.deadline:
                worker.usable = False
                done.append((worker, worker.job, MediaError("timeout", f"no result after {worker.limit:g} s")))
        return done

    def _abandon(self) -> None:
        for worker in self._busy:
            worker.kill()
        self._busy.clear()


def outcome_of(reply: dict) -> Any:
    if "os_error" in reply:
        error = reply["os_error"]
        kind = CannotWrite if error["errno"] in REMEDY else OSError
        raise kind(error["errno"], error["strerror"], error["filename"])
    if "error" in reply:
        return MediaError(reply["error"]["reason"], reply["error"]["detail"])
    return reply["result"]


class Worker:
    """One process and the job it has."""

    def __init__(self, command: list[str]):
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by kill()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=worker_environment(),
            process_group=0,  # a signal to our whole group, as Ctrl-C, is ours to answer: no file is at fault
        )
        self._buffer = bytearray()
        self._ready = False
        self.usable = True

    @property
    def output(self):
        return self._process.stdout

    def send(self, job: dict, limit: float) -> None:
        self.job, self.limit = job, limit
        self.deadline = time.monotonic() + limit + (0 if self._ready else START_S)
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        self._process.stdin.flush()

    def receive(self) -> dict | None:
        """The reply, or None while it is incomplete; raises WorkerDied at the end of the pipe."""
        part = os.read(self._process.stdout.fileno(), REPLY_BYTES)
        if not part:
            raise WorkerDied
        self._buffer += part
        while self._buffer.endswith(b"\n"):
            line, _, rest = self._buffer.partition(b"\n")
            self._buffer = rest
            if self._ready:
                return json.loads(line)
            self._ready = True
            self.deadline = time.monotonic() + self.limit  # starting up is not the file's time
        return None

    def post_mortem(self) -> MediaError:
        """What a worker that ended by itself died of."""
        self.usable = False
        status = self._process.wait()
        words = self._last_words()
        if not self._ready:
            raise RuntimeError(f"a media worker does not start: {words or f'exit status {status}'}")
        if status < 0:
            return MediaError("decoder_crashed", f"signal {-status}" + (f": {words}" if words else ""))
        return MediaError("worker_failed", f"exit status {status}: {words}")

    def kill(self) -> None:
        """Ends the process and frees what it held."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._stderr.close()

    def _last_words(self) -> str:
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - STDERR_BYTES))
        lines = self._stderr.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""
