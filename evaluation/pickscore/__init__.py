"""PickScore of the videos of runs: `python -m evaluation.pickscore --config FILE`."""
