"""Why a child ended, from what it and its launcher printed."""

import itertools
import os
import re
import signal
from pathlib import Path

from storage.processes import how_it_ended

TAIL_BYTES = 64 * 2**10
MOST_LINES = 12
RANK = re.compile(r"^\[rank\d+\]:\s?")
ERROR = re.compile(r"(\w+\.)*[A-Z]\w*(:|$)")  # "ValueError: why", "some.module.Stopped"
NO_ERROR = re.compile(r"Traceback |[IWE]\d{4} ")  # ends an error's lines: another's traceback, a launcher's log
# What the launcher of several processes says when one of them failed: never the cause.
LAUNCHER = re.compile(r"torch\.distributed\.elastic|.*(ChildFailedError|SignalException)|Failures:|Root Cause")
# What the other processes say of one that is gone: the cause only where nothing else is said.
LEFT_ALONE = re.compile(r"RuntimeError: .*gloo/|torch\.distributed\.Dist\w*Error")
# The launcher's words for a process that a signal killed. It ends the others itself, with SIGTERM: not the cause.
KILLED = re.compile(
    r"failed \(exitcode: (?P<status>-(?!15\b)\d+)\) local_rank: (?P<rank>\d+)"
    r"|rank\s*: (?P<other>\d+) \(local_rank: \d+\)\s+exitcode\s*: (?P<end>-(?!15\b)\d+)"
)


def cause(log: Path, start: int, status: int) -> str:
    """What ended the child with this return code: the signal that killed it or one of its processes, or its last error.

    What it printed before counts too, but for SIGKILL of one of several: the others' errors are about that.
    """
    said = last_error(log, start)
    found = KILLED.finditer(_tail(log, start))
    ends = [(int(end["status"] or end["end"]), end["rank"] or end["other"]) for end in found]
    if status < 0:
        killed = f"the program was {how_it_ended(status)}"
    elif ends:
        # Where several were killed, another signal may be the answer to SIGKILL.
        number, rank = next((end for end in ends if end[0] == -signal.SIGKILL), ends[0])
        killed = f"its process of rank {rank} was {how_it_ended(number)}"
        said = "" if number == -signal.SIGKILL else said
    else:
        return said or "the program printed nothing"
    return f"{killed}. It had printed last: {said}" if said else killed


def last_error(log: Path, start: int = 0) -> str:
    """The last error in `log` from byte `start` on, with all its lines. Without an error: the last line."""
    text = _tail(log, start)
    lines = [RANK.sub("", line.rsplit("\r", 1)[-1].rstrip()) for line in text.splitlines()]
    starts = [i for i, line in enumerate(lines) if ERROR.match(line) and not LAUNCHER.match(line)]
    if not starts:
        return next((line for line in reversed(lines) if line.strip()), "")
    own = [i for i in starts if not LEFT_ALONE.match(lines[i])]
    first, *rest = lines[(own or starts)[-1] :]
    ends = (NO_ERROR, LEFT_ALONE)
    said = itertools.takewhile(lambda line: line.strip() and not any(end.match(line) for end in ends), rest)
    return "\n".join([first, *itertools.islice(said, MOST_LINES - 1)])


def _tail(log: Path, start: int) -> str:
    with log.open("rb") as handle:
        end = handle.seek(0, os.SEEK_END)
        handle.seek(max(start, end - TAIL_BYTES))
        return handle.read().decode(errors="replace")
