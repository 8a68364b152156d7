"""Builds the HTML report of runs.

    python -m evaluation.report --config FILE

The file holds the options of evaluation/report/options.py (YAML or JSON). Exit status as in evaluation/commands.py.
"""

import sys
from pathlib import Path

from evaluation.commands import run_command
from evaluation.report.build import build_report
from evaluation.report.options import ReportOptions


def run(options: ReportOptions) -> None:
    path = build_report(
        [Path(folder) for folder in options.runs],
        Path(options.output),
        Path(options.reproduction) if options.reproduction else None,
        tell=lambda line: print(line, file=sys.stderr, flush=True),
        **options.model_dump(exclude={"runs", "output", "reproduction"}),
    )
    print(path)


if __name__ == "__main__":
    sys.exit(run_command(__doc__, ReportOptions, run))
