"""DreamGen Bench on a run's folder, a step at a time.

    python -m evaluation.benchmarks.dreamgen --config config.yaml

The file holds the options of evaluation/benchmarks/dreamgen/options.py (YAML or JSON), among them `step`: export,
score or table.
Exit status 0: done; 1: failed; 2: wrong options; 3: stopped by SIGTERM or SIGINT, what is answered is kept.
"""

import sys

from evaluation.benchmarks.dreamgen.options import DreamgenOptions
from evaluation.benchmarks.dreamgen.steps import run_step
from evaluation.commands import run_command


def main(arguments: list[str] | None = None) -> int:
    return run_command(__doc__, DreamgenOptions, run_step, arguments)


if __name__ == "__main__":
    sys.exit(main())
