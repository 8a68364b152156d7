"""A policy behind a socket (openpi's websocket protocol) acts in the world model.

    python -m evaluation.rollouts.drive --config FILE

The file holds the options of evaluation/rollouts/acting.py (YAML or JSON). Actions are poses in the units of the
robot's contract. Exit status as in evaluation/commands.py.
"""

import sys

from evaluation.commands import run_command
from evaluation.rollouts.acting import DriveOptions, drive

if __name__ == "__main__":
    sys.exit(run_command(__doc__, DriveOptions, drive))
