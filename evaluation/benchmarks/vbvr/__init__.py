"""VBVR-Bench: its samples, the videos under its names, its official evaluator and what that says."""
