"""No test touches the repository's own data/ and .dagster/: whoever opens, lists or changes something there fails.

Python imports a module of this name whenever it starts. conftest.py puts this folder on PYTHONPATH, so that the rule
also holds in the processes that tests start. What was touched is written to the file named by WMSD_TEST_TOUCHED too:
the test fails even when an `except` swallowed the error.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDERS = tuple(os.path.join(ROOT, name) for name in ("data", ".dagster"))
# Events of sys.audit whose first argument, and with some the second, is a path.
EVENTS = {
    "open", "sqlite3.connect", "os.chmod", "os.link", "os.listdir", "os.mkdir", "os.remove", "os.rename", "os.rmdir",
    "os.scandir", "os.symlink", "os.truncate", "os.utime",
}  # fmt: skip


class RepositoryTouched(RuntimeError):
    """A test, or a process that it started, reads or writes the repository's own data."""


def touched(event: str, arguments: tuple) -> str:
    """The path below the repository's data that an audit event is about, "" when there is none."""
    for path in arguments[:2]:
        if not isinstance(path, str | bytes | os.PathLike):
            continue
        path = os.fsdecode(path)
        # A bare name with a folder's descriptor, as rmtree gives it; `open` does not tell whether there is one.
        last = arguments[-1]
        if os.sep not in path and isinstance(last, int) and last >= 0:
            continue
        whole = os.path.abspath(path)
        if any(whole == folder or whole.startswith(folder + os.sep) for folder in FOLDERS):
            return whole
    return ""


def hook(event: str, arguments: tuple) -> None:
    if event not in EVENTS or not getattr(sys, "wmsd_watched", False):
        return
    path = touched(event, arguments)
    if path:
        message = f"{event} of {path}: a test must not touch the repository's data/ and .dagster/"
        if "WMSD_TEST_TOUCHED" in os.environ:
            with open(os.environ["WMSD_TEST_TOUCHED"], "a", encoding="utf-8") as file:
                file.write(message + "\n")
        raise RepositoryTouched(message)


if not hasattr(sys, "wmsd_watched"):  # a hook stays until its process ends, so there is one; the attribute switches it
    sys.addaudithook(hook)
    sys.wmsd_watched = True
