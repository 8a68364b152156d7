"""Worker verbs for tests: the real ones, with a fault that a file in the working directory can switch on."""

import errno
import os
import signal
from pathlib import Path

from media.verbs import VERBS as REAL


def full_disk(job):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), job["out"])


def extract(job):
    switch = Path(os.environ["FRAME_FAULT"]) if "FRAME_FAULT" in os.environ else None
    if switch is not None and switch.exists():
        fault = switch.read_text()
        if fault == "disk":
            full_disk(job)
        if fault == "hang":
            signal.pause()
    log = os.environ.get("FRAME_LOG")
    if log:
        with open(log, "a") as handle:
            handle.write(job["clip_id"] + "\n")
    return REAL["extract"](job)


VERBS = {**REAL, "extract": extract}
