"""Encodes the episodes that a job file describes; started by the asset `episode_latents`, or by hand:

python -m models.robot.encode data/droid/episode_latents/ctrl_world-1234abcd.job.json
"""

import sys
from pathlib import Path

from dagster_pipes import PipesContext, open_dagster_pipes

from models.robot.encoding import encode
from storage.json_files import read_object


def main() -> int:
    job = read_object(Path(sys.argv[1]))
    with open_dagster_pipes() as pipes:
        facts = encode(job)
        if isinstance(pipes, PipesContext):
            pipes.report_asset_materialization(metadata=facts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
