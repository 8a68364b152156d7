"""Training of world models: torch only, no Dagster. Empty until the trainer is built."""
