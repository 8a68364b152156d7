"""Scores judged runs, and compares them with one of them.

    python -m evaluation.score --config FILE

The file holds the options of evaluation/scoring/options.py (YAML or JSON). Writes scores.json into each run's folder;
with `output`, scores.md, and with `reference` comparisons.json beside it. Exit status as in evaluation/commands.py;
runs that cannot be compared, or are not whole, are failures (1) with reasons.
"""

import sys

from evaluation.commands import run_command
from evaluation.scoring.options import ScoreOptions
from evaluation.scoring.score_runs import score_runs

if __name__ == "__main__":
    sys.exit(run_command(__doc__, ScoreOptions, score_runs))
