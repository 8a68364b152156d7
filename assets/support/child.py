"""A program started by an asset: it speaks Dagster Pipes, and is stopped so that it can save first.

The child leads a session of its own, so that Ctrl-C in a terminal reaches it through us alone, once. What it prints
goes to a file, so that it outlives us, and from there to our own error stream. It holds a lock on its output for as
long as it lives, and is told to stop when we die: so after a `kill -9` of the run no second one starts beside it.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import dagster as dg

from assets.support.child_log import cause
from storage.files import at_end, locked_now
from storage.full_disk import told_of_a_full_disk
from storage.processes import POLL_S, asked_to_end, becomes, death_signal

# A part of Pipes is marked as a preview; two lines of that at every start would bury what matters.
warnings.filterwarnings("ignore", category=dg.PreviewWarning, module=r"dagster\._core\.pipes.*")


def run_child(
    context: dg.AssetExecutionContext,
    command: Sequence[str],
    *,
    log: Path,
    lock: Path,
    grace_s: float,
    env: Mapping[str, str] | None = None,
    prepare: Callable[[], object] | None = None,
    finish: Callable[[], object] | None = None,
    busy: Callable[[], object] = lambda: False,
) -> dict[str, dg.MetadataValue]:
    """Runs `command` to its end. Returns the metadata that it reported for this asset through Pipes, {} for none.

    Output is appended to `log`. Only one child at a time holds `lock`. `busy` tells whether any process works on the
    same files. If a dead run left such processes, or our child does when it is killed, this waits up to `grace_s`
    seconds for their end. While the lock is held, `prepare` writes what the child reads and `finish` notes that it
    ended well, so that no files change under a working child. When the run is cancelled the child gets SIGTERM, then
    `grace_s` seconds to save, then SIGKILL. Raises dagster.Failure with the child's last error, or the signal that
    killed it, when the child fails, and when the lock stays taken.
    """
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(_held(lock, grace_s, context, busy))
        if prepare is not None:
            prepare()
        session = stack.enter_context(
            dg.open_pipes_session(
                context=context,
                context_injector=dg.PipesTempFileContextInjector(),
                message_reader=dg.PipesTempFileMessageReader(),
            )
        )
        output = stack.enter_context(at_end(log))
        start = output.tell()
        stack.enter_context(_echoed(log, start))
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {}), **session.get_bootstrap_env_vars()},
            start_new_session=True,
            pass_fds=(held.fileno(),),
            preexec_fn=death_signal(),
        )
        _wait(process, grace_s, context)
        why = f"the child was killed, and its processes still work on {lock.parent}"
        if process.returncode < 0 and not _becomes(lambda: not busy(), grace_s, why, context):
            context.log.warning(f"after {grace_s:g} s {why}")
        if process.returncode == 0 and finish is not None:
            finish()
    if process.returncode != 0:
        error = told_of_a_full_disk(cause(log, start, process.returncode), log)
        raise dg.Failure(
            f"{error} (exit status {process.returncode}; its whole output: {log})",
            metadata={"log": dg.MetadataValue.path(str(log)), "exit status": process.returncode},
            allow_retries=False,
        )
    reported = session.get_results(implicit_materializations=False)
    return {name: value for result in reported for name, value in (result.metadata or {}).items()}


def _wait(process: subprocess.Popen, grace_s: float, context: dg.AssetExecutionContext) -> None:
    try:
        process.wait()
    except (dg.DagsterExecutionInterruptedError, KeyboardInterrupt):
        context.log.info(f"cancelled: the child process has up to {grace_s:g} s to save")
        with _undisturbed():
            stop(process, grace_s)
        context.log.info(f"the child process ended with exit status {process.returncode}")
        raise


def stop(process: subprocess.Popen, grace_s: float) -> None:
    """Asks the child to end, and kills it with all its processes when it has not after `grace_s` seconds.

    Only the leader is asked: a trainer's own workers must live on while it saves.
    """
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        for pid in [process.pid, *descendants(process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def descendants(pid: int) -> list[int]:
    """The processes below `pid` now, whatever their sessions."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            # The name in parentheses may hold anything; the state and the parent follow its last one.
            parents[int(stat.parent.name)] = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
    found, front = [], {pid}
    while front:
        front = {child for child, parent in parents.items() if parent in front}
        found += sorted(front)
    return found


@contextlib.contextmanager
def _held(lock: Path, patience_s: float, context: dg.AssetExecutionContext, busy: Callable[[], object]) -> Iterator[IO]:
    """An exclusive lock, not taken while `busy()`, that lasts until this process and the child with it ended."""
    with at_end(lock) as handle:
        why = f"another process works on {lock.parent}"
        if not _becomes(lambda: locked_now(handle) and not busy(), patience_s, why, context):
            raise dg.Failure(
                f"another process still works on {lock.parent} and holds {lock.name} or a lock beside it: wait for its "
                "end, or end it",
                allow_retries=False,
            )
        yield handle


def _becomes(free: Callable[[], object], patience_s: float, why: str, context: dg.AssetExecutionContext) -> bool:
    """Whether it is so within `patience_s` seconds. Where it is not at once, the log says `why` we wait."""
    if free():
        return True
    context.log.info(f"{why}: waiting up to {patience_s:g} s for the end")
    return becomes(free, patience_s)


@contextlib.contextmanager
def _echoed(log: Path, start: int) -> Iterator[None]:
    """Inside, what is appended to `log` also goes to our error stream, which Dagster keeps as the step's log."""
    ended = threading.Event()

    def follow() -> None:
        with log.open("rb") as handle:
            handle.seek(start)
            while True:
                last = ended.is_set()
                if data := handle.read():
                    sys.stderr.write(data.decode(errors="replace"))
                    sys.stderr.flush()
                if last:
                    return
                ended.wait(POLL_S)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignores further requests to stop inside the block, while the first one is being carried out."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with asked_to_end(signal.SIG_IGN):
        yield
