"""Evaluation as assets: videos of runs, their judgements, scores and report; DreamGen Bench and VBVR-Bench beside."""
