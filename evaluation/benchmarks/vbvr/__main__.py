"""VBVR-Bench, a step at a time.

    python -m evaluation.benchmarks.vbvr --config config.yaml

The file holds the options of evaluation/benchmarks/vbvr/options.py (YAML or JSON), among them `step`: unpack, rewrite,
export, score or table. Exit status 0: done; 1: failed; 2: wrong options; 3: stopped by SIGTERM or SIGINT.
"""

import sys

from evaluation.benchmarks.vbvr.options import VbvrOptions
from evaluation.benchmarks.vbvr.steps import run_step
from evaluation.commands import run_command


def main(arguments: list[str] | None = None) -> int:
    return run_command(__doc__, VbvrOptions, run_step, arguments)


if __name__ == "__main__":
    sys.exit(main())
