"""Processes that are asked to end, and child processes that do not outlive who started them unasked."""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[1]

SET_DEATH_SIGNAL = 1  # of prctl(2)
POLL_S = 0.2
Handler = Callable[[int, FrameType | None], object] | signal.Handlers


@contextlib.contextmanager
def asked_to_end(handler: Handler) -> Iterator[None]:
    """Inside, SIGTERM and SIGINT go to `handler`; afterwards to whoever had them before. For the main thread alone."""
    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def worker_environment() -> dict[str, str]:
    """Ours for a worker process: the project is importable from any folder, and libraries use one thread."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path}


def death_signal() -> Callable[[], None]:
    """For Popen's preexec_fn: makes the kernel send SIGTERM to the child when we die. Loaded here: a fork must not."""
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        # A handler that ignores signals is inherited; the child must hear them.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        prctl(SET_DEATH_SIGNAL, signal.SIGTERM)

    return ask


def die_with_parent() -> None:
    """Makes the kernel send SIGTERM to this process when the one that started it dies, now when it just did."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(SET_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:
        signal.raise_signal(signal.SIGTERM)


def becomes(free: Callable[[], object], patience_s: float) -> bool:
    """Whether it is so within `patience_s` seconds; it is asked five times a second, at least once."""
    deadline = time.monotonic() + patience_s
    while not free():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def how_it_ended(status: int) -> str:
    """The end of a process in words, from its return code; a negative one is the signal that killed it."""
    if status >= 0:
        return f"exit status {status}"
    try:
        name = f" ({signal.Signals(-status).name})"
    except ValueError:
        name = ""
    why = ": often the system had no memory left" if -status == signal.SIGKILL else ""
    return f"killed by signal {-status}{name}{why}"
