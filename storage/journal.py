"""A journal of finished items: what a killed run had already done, kept item by item.

One SQLite file per stage and shard. A record is there whole or not at all, whenever the process dies, and several
processes may write at once. Values are JSON, so a journal can be read with any SQLite client.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from storage.files import exclusive


class Journal:
    """Key -> JSON value. A second `put` of a key replaces the first. One object per thread."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
        # Two processes that switch a new file to WAL at once both get "database is locked", whatever the timeout.
        with exclusive(path.with_name(f".{path.name}.lock")):
            self._db.execute("PRAGMA journal_mode=WAL")
        # NORMAL survives the death of the process; only a power cut can lose the last records, which are then redone.
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("CREATE TABLE IF NOT EXISTS done (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")

    def get(self, key: str) -> Any | None:
        row = self._db.execute("SELECT value FROM done WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, key: str, value: Any) -> None:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        self._db.execute("INSERT OR REPLACE INTO done VALUES (?, ?)", (key, text))

    def drop(self, unwanted: Callable[[Any], bool]) -> int:
        """Forgets the records whose value is `unwanted`; how many they were."""
        keys = [(key,) for key, value in self.items() if unwanted(value)]
        self._db.executemany("DELETE FROM done WHERE key = ?", keys)
        return len(keys)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Every record, by key."""
        for key, value in self._db.execute("SELECT key, value FROM done ORDER BY key"):
            yield key, json.loads(value)

    def __len__(self) -> int:
        return self._db.execute("SELECT count(*) FROM done").fetchone()[0]

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_) -> None:
        self.close()
