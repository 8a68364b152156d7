"""What lies on both sides of the split, and what was recorded twice: read from the tables of episodes."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from storage.tables import KEPT, read_rows

COLUMNS = ["episode_id", "split", "scene", "content", "states_sha256", "status"]


def split_leaks(tables: Sequence[Path]) -> list[str]:
    """A sentence for each content and each named source scene that kept episodes of two splits share."""
    rows = list(_kept(tables))
    found = [
        f"episodes {_told(same)} hold the same recording, but are of splits {_splits(same)}"
        for same in _groups(rows, "content")
        if len({row["split"] for row in same}) > 1
    ]
    return found + [
        f"scene {same[0]['scene']!r} is in splits {_splits(same)}: {_told(same)}"
        for same in _groups(rows, "scene")
        if len({row["split"] for row in same}) > 1
    ]


def copies(tables: Sequence[Path]) -> list[str]:
    """A sentence for kept episodes with the very same states, whatever their split."""
    same_states = _groups(_kept(tables), "states_sha256")
    return [f"episodes {_told(same)} have the same states" for same in same_states if len(same) > 1]


def _kept(tables: Iterable[Path]) -> Iterable[dict]:
    return (row for table in tables for row in read_rows(table, COLUMNS) if row["status"] == KEPT)


def _groups(rows: Iterable[dict], column: str) -> list[list[dict]]:
    """Rows with the same value of `column`; those with "" are in no group."""
    found: dict[str, list[dict]] = {}
    for row in rows:
        if row[column]:
            found.setdefault(row[column], []).append(row)
    return list(found.values())


def _told(rows: Sequence[dict], most: int = 6) -> str:
    names = [f"{row['episode_id']} ({row['split']})" for row in rows]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _splits(rows: Sequence[dict]) -> str:
    return " and ".join(sorted({row["split"] for row in rows}))
