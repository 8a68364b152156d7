"""Dagster wiring, and nothing else: definitions, jobs, schedules, sensors, resources, and the command `make build`."""
