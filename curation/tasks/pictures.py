"""What the stage `tasks` shows of itself in the UI."""

from collections.abc import Sequence
from pathlib import Path

from curation.drawing import bars_png
from storage.tables import read_rows


def pictures(tables: Sequence[Path]) -> dict[str, bytes]:
    """Pairs kept, and dropped by rule, by file name."""
    reasons = [row["reason"] or "kept" for table in tables for row in read_rows(table, ["reason"])]
    names = sorted(set(reasons), key=lambda name: (-reasons.count(name), name))
    return {"pairs.png": bars_png(names, [reasons.count(name) for name in names], "Pairs kept and dropped by rule")}
