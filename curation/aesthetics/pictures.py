"""What the stage `aesthetics` shows of itself in the UI."""

from collections.abc import Sequence
from pathlib import Path

from curation.drawing import histogram_png
from storage.tables import read_rows


def pictures(tables: Sequence[Path]) -> dict[str, bytes]:
    """The combined score with the shards' cuts, by file name."""
    rows = [row for table in tables for row in read_rows(table, ["score", "cut_score"]) if row["score"] is not None]
    scores, cuts = [row["score"] for row in rows], sorted({row["cut_score"] for row in rows})
    return {"score.png": histogram_png(scores, cuts, "Combined quality score and the shards' cuts", "0 to 1")}
