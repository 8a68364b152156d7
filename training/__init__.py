"""Training of world models: torch only, no Dagster. One trainer, whose methods are data (methods.py)."""
