"""A program that tells how it was started, and ends as it is asked to."""

import json
import os
import signal
import sys


def main(end: str) -> int | str | None:
    told = {
        "arguments": sys.argv[1:],
        "folder": os.getcwd(),
        "environment": sorted(os.environ.items()),
        "leads a session": os.getsid(0) == os.getpid(),
        "parent": os.getppid(),
        "name": __name__,
        "input": sys.stdin.read(),
    }
    print(json.dumps(told), flush=True)
    print("to the other stream", file=sys.stderr)
    if end == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if end == "interrupted":
        raise KeyboardInterrupt
    if end == "failed":
        raise ValueError("as asked")
    return {"three": 3, "words": "in words"}.get(end)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
