"""What the commands of this room share: options from a file, an end by signal, exit codes.

Exit status 0: done; 1: failed, with one line that says why; 2: the options are wrong; 3: asked to stop, and left.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from evaluation.pipes import reporting
from storage.options import InvalidOptions, read_options
from storage.processes import asked_to_end

FAILED, INVALID, STOPPED = 1, 2, 3
Options = TypeVar("Options", bound=BaseModel)


class Stopped(KeyboardInterrupt):
    """SIGTERM or SIGINT asked the command to end. A KeyboardInterrupt, since event loops swallow other exceptions."""


@contextmanager
def stopping() -> Iterator[None]:
    """Within it SIGTERM and SIGINT raise Stopped in the main thread, so that what is open is closed."""

    def stop(number: int, _) -> None:
        raise Stopped(f"stopped by {signal.Signals(number).name}. Finished work is kept")

    with asked_to_end(stop):
        yield


def run_command(
    description: str, kind: type[Options], run: Callable[[Options], Any], arguments: list[str] | None = None
) -> int:
    """Reads `--config FILE` as `kind`, calls `run` and returns the exit status; errors go to standard error.

    A mapping that `run` returns is reported to Dagster, where that started us (evaluation/pipes.py). RuntimeError,
    ValueError and OSError are failures with a message; anything else is a mistake of the program and is raised. With
    WMSD_TRACEBACK in the environment failures are raised too.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="options (YAML or JSON)")
    given = parser.parse_args(arguments)
    try:
        options = read_options(given.config, kind, f"options ({kind.__name__})")
    except InvalidOptions as error:
        print(error, file=sys.stderr)
        return INVALID
    try:
        with reporting() as report, stopping():
            result = run(options)
            if isinstance(result, Mapping):
                report(result)
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return STOPPED
    except (OSError, RuntimeError, ValueError) as error:
        if os.environ.get("WMSD_TRACEBACK"):
            raise
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return FAILED
    return 0
