"""Reading the rows that the stage before kept."""

from collections.abc import Iterator
from pathlib import Path

from assets.schemas import KEPT
from storage.tables import read_rows


def kept_rows(table: Path) -> Iterator[dict]:
    """The kept rows of a stage's table, in its order."""
    return (row for row in read_rows(table) if row["status"] == KEPT)
