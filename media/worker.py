"""A process that reads one media file at a time, so that a hang or a crash in a decoder costs only that file.

    python -m media.worker MODULE MEMORY_BYTES PARENT_PID

Jobs come as JSON lines on stdin and go to the verb of that name in MODULE.VERBS; one JSON line a job, after {"ready":
true}, goes to stdout: {"result": ...}, {"error": {"reason", "detail"}} (the file's fault) or {"os_error": {"errno",
"strerror", "filename"}} (the machine's: a full disk). Anything else that is raised is a bug: the process ends with a
traceback. It also ends at the end of stdin and when its parent dies.
"""

import ctypes
import importlib
import json
import os
import resource
import signal
import sys
from typing import BinaryIO

from media.errors import MediaError

PR_SET_PDEATHSIG = 1


def main() -> None:
    module, memory_bytes, parent = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    end_with(parent)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    replies = private_stdout()
    verbs = importlib.import_module(module).VERBS
    reply(replies, {"ready": True})
    for line in sys.stdin.buffer:
        reply(replies, answer(verbs, json.loads(line)))


def reply(replies: BinaryIO, value: dict) -> None:
    replies.write(json.dumps(value).encode() + b"\n")
    replies.flush()


def answer(verbs: dict, job: dict) -> dict:
    try:
        return {"result": verbs[job["verb"]](job)}
    except MediaError as error:
        return {"error": {"reason": error.reason, "detail": error.detail}}
    except MemoryError:
        return {"error": {"reason": "out_of_memory", "detail": "decoding needs more memory than a worker may have"}}
    except OSError as error:
        return {"os_error": {"errno": error.errno, "strerror": error.strerror, "filename": str(error.filename or "")}}


def end_with(parent: int) -> None:
    """Has the kernel kill this process when its parent dies, even while it hangs inside a decoder (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call
        sys.exit(0)


def private_stdout() -> BinaryIO:
    """The pipe to the parent, moved out of reach of libraries that print; their output goes to stderr."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(pipe, "wb")


if __name__ == "__main__":
    main()
