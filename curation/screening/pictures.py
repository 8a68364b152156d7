"""What the stage `screening` shows of itself in the UI."""

from collections.abc import Sequence
from pathlib import Path

from curation.drawing import histogram_png
from storage.tables import read_rows


def pictures(tables: Sequence[Path], threshold: float) -> dict[str, bytes]:
    """The log-odds with the threshold, by file name."""
    rows = [row["log_odds"] for table in tables for row in read_rows(table, ["log_odds"])]
    values = [value for value in rows if value is not None]
    return {"log_odds.png": histogram_png(values, [threshold], "Screening log-odds", "nats")}
