"""Runs' folders from chosen log-odds, for scoring and for PickScore."""

from tests.evaluation.run_folders import counted_fixture, drawn, run_folder

__all__ = ["counted_fixture", "drawn", "run_folder"]
