"""VBVR-Bench, a step at a time.

    python -m evaluation.vbvr --config config.yaml

The file holds the options of evaluation/vbvr/options.py (YAML or JSON), among them `step`: unpack, rewrite, export,
score or table. Exit status 0: done; 1: failed; 2: wrong options; 3: stopped by SIGTERM or SIGINT.
"""

import sys

from evaluation.commands import run_command
from evaluation.vbvr.options import VbvrOptions
from evaluation.vbvr.steps import run_step


def main(arguments: list[str] | None = None) -> int:
    return run_command(__doc__, VbvrOptions, run_step, arguments)


if __name__ == "__main__":
    sys.exit(main())
