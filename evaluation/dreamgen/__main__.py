"""DreamGen Bench on a run's folder, a step at a time.

    python -m evaluation.dreamgen --config config.yaml

The file holds the options of evaluation/dreamgen/options.py (YAML or JSON), among them `step`: export, score or table.
Exit status 0: done; 1: failed; 2: wrong options; 3: stopped by SIGTERM or SIGINT, what is answered is kept.
"""

import sys

from evaluation.commands import run_command
from evaluation.dreamgen.options import DreamgenOptions
from evaluation.dreamgen.steps import run_step


def main(arguments: list[str] | None = None) -> int:
    return run_command(__doc__, DreamgenOptions, run_step, arguments)


if __name__ == "__main__":
    sys.exit(main())
