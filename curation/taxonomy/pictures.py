"""What the stage `taxonomy` shows of itself in the UI."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from curation.drawing import bars_png
from storage.tables import read_rows


def pictures(tables: Sequence[Path]) -> dict[str, bytes]:
    """Tasks by agent category and by task type, by file name."""
    charts = {}
    for column, title in (("agent_category", "Agents addressed"), ("task_type", "Task types")):
        counts = Counter(row[column] for table in tables for row in read_rows(table, [column])).most_common()
        charts[f"{column}.png"] = bars_png([name for name, _ in counts], [count for _, count in counts], title)
    return charts
