"""Benchmarks of world models: samples, generated videos, judgements, scores, reports. No Dagster."""
