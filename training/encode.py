"""Encodes the conditions that a job file describes; started by the asset `conditions`, or by hand:

    python -m training.encode data/microworld/conditions/wan-1234abcd.job.json

A program of its own, so that the text encoder's memory is free again when training begins.
"""

import sys
from pathlib import Path

from dagster_pipes import PipesContext, open_dagster_pipes

from storage.json_files import read_object
from training.conditions.job import encode


def main() -> int:
    job = read_object(Path(sys.argv[1]))
    with open_dagster_pipes() as pipes:
        facts = encode(job)
        if isinstance(pipes, PipesContext):
            pipes.report_asset_materialization(metadata=facts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
