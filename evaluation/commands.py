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

from pydantic import BaseModel, ValidationError

from evaluation.pipes import reporting
from storage.processes import asked_to_end
from storage.strict_yaml import read_yaml

FAILED, INVALID, STOPPED = 1, 2, 3
Options = TypeVar("Options", bound=BaseModel)


class InvalidOptions(ValueError):
    """A file of options that cannot be read; the message lists every mistake."""


class Stopped(KeyboardInterrupt):
    """SIGTERM or SIGINT asked the command to end. A KeyboardInterrupt, since event loops swallow other exceptions."""


def read_options(path: Path, kind: type[Options]) -> Options:
    """The options in a YAML or JSON file. Raises InvalidOptions for unknown or doubled keys, wrong values, no file."""
    try:
        return kind.model_validate(read_yaml(path))
    except OSError as error:
        raise InvalidOptions(f"{path}: {error.strerror}: a file of options ({kind.__name__}) is expected") from error
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, item['loc'])) or 'options'}: {item['msg']}" for item in error.errors()]
        raise InvalidOptions("\n".join([f"{path}: {len(lines)} mistakes in the options:", *lines])) from error
    except ValueError as error:
        raise InvalidOptions(str(error)) from error


@contextmanager
def stopping() -> Iterator[None]:
    """Within it SIGTERM and SIGINT raise Stopped in the main thread, so that what is open is closed."""

    def stop(number: int, _) -> None:
        raise Stopped(f"stopped by {signal.Signals(number).name}; what is finished is kept")

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
        options = read_options(given.config, kind)
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
