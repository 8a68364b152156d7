"""Makes the videos of runs.

    python -m evaluation.generate --config config.yaml

The file holds {runs: [...]}, each with the options of evaluation/generation/options.py (YAML or JSON). A run that was
ended, whatever ended it, goes on where it was; what is finished is not made again.
"""

import os
import sys

from evaluation.commands import run_command
from evaluation.generation.options import GenerateCommand


def run(options: GenerateCommand) -> dict[str, int]:
    """How many videos were made now, by run."""
    import torch

    from evaluation.generation.generate_runs import generate_runs

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    return {one.record.name: one.made for one in generate_runs(options.runs, judges=options.judges)}


if __name__ == "__main__":
    sys.exit(run_command(__doc__, GenerateCommand, run))
