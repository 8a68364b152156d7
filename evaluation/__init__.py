"""Benchmarks of world models: no Dagster. Empty until they are built."""
