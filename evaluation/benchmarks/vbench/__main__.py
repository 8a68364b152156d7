"""VBench on a run's videos, a step at a time.

    python -m evaluation.benchmarks.vbench --config config.yaml

The file holds the options of evaluation/benchmarks/vbench/options.py (YAML or JSON), among them `step`: export or
table. Exit status 0: done; 1: failed; 2: wrong options; 3: stopped by SIGTERM or SIGINT.
"""

import sys

from evaluation.benchmarks.vbench.options import VbenchOptions
from evaluation.benchmarks.vbench.steps import run_step
from evaluation.commands import run_command


def main(arguments: list[str] | None = None) -> int:
    return run_command(__doc__, VbenchOptions, run_step, arguments)


if __name__ == "__main__":
    sys.exit(main())
