"""Programs that a test starts, interrupts and kills."""

import json
import subprocess
import sys
from pathlib import Path


def started(code: str, document: dict, repository: Path, *arguments: str) -> subprocess.Popen:
    """Python `code` in a process group of its own, with a JSON document on its standard input; stdout holds both."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=repository,
        start_new_session=True,
    )
    process.stdin.write(json.dumps(document))
    process.stdin.close()
    process.stdin = None
    return process
