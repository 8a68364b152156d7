"""PickScore of the videos of runs: `python -m evaluation.preference --config FILE`."""
