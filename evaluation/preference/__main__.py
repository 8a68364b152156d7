"""PickScore of runs' videos.

    python -m evaluation.preference --config FILE

The file holds PickScoreOptions (YAML or JSON). Exit status as in evaluation/commands.py; absent weights are no error.
"""

import sys

from evaluation.commands import run_command
from evaluation.preference.pickscore import PickScoreOptions, pickscore_runs

if __name__ == "__main__":
    sys.exit(run_command(__doc__, PickScoreOptions, pickscore_runs))
