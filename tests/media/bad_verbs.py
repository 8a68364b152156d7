"""Verbs that do to a worker what broken files do to decoders."""

import ctypes
import errno
import os
import signal
import sys
import time

from media.errors import MediaError


def echo(job):
    return job["value"]


def pid(job):
    return os.getpid()


def hang(job):
    """Hangs where no Python signal handler or thread can run: in C, holding the interpreter lock."""
    ctypes.PyDLL(None).sleep(3600)


def abort(job):
    os.abort()


def segfault(job):
    ctypes.string_at(0)


def kill(job):
    os.kill(os.getpid(), signal.SIGKILL)


def signal_all(job):
    """As Ctrl-C in a terminal, or a launcher: to the caller's whole group, while a file is read."""
    os.killpg(os.getpgid(os.getppid()), job["signal"])
    time.sleep(0.5)
    return "read"


def leave(job):
    sys.exit(0)


def bug(job):
    raise KeyError("a bug of ours")


def refuse(job):
    raise MediaError("not_a_video", "'x': words")


def bomb(job):
    return len(bytearray(8 << 30))


def full_disk(job):
    raise OSError(errno.ENOSPC, "No space left on device", "out/frame.jpg")


def chatter(job):
    os.write(1, b'{"result": "noise on stdout"}\n')
    print("more noise")
    return "reply"


def large(job):
    return "x" * 3_000_000


def slow(job):
    time.sleep(job["seconds"])
    return "done"


VERBS = {
    verb.__name__: verb
    for verb in (
        echo, signal_all, pid, hang, abort, segfault, kill, leave, bug, refuse, bomb, full_disk, chatter, large, slow,
    )
}  # fmt: skip
