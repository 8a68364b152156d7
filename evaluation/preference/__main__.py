"""PickScore of runs' videos.

    python -m evaluation.preference --config FILE

The file holds the options of evaluation/preference/options.py (YAML or JSON). Exit status as in evaluation/commands.py;
absent weights are no error.
"""

import sys

from evaluation.commands import run_command
from evaluation.preference.options import PickScoreOptions
from evaluation.preference.pickscore import pickscore_runs

if __name__ == "__main__":
    sys.exit(run_command(__doc__, PickScoreOptions, pickscore_runs))
