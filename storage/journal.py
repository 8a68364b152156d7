"""A journal of finished items: what a killed run had already done, kept item by item.

One SQLite file per stage and shard. A record is there whole or not at all, whenever the process dies, and several
processes may write at once. Values are JSON, so a journal can be read with any SQLite client. Each record has a
checksum: one that changed on disk counts as not done. A file that SQLite cannot read, or finds inconsistent, is
set aside, which is told, and its whole records go on in a new one.
"""

import contextlib
import errno
import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from storage.damage import Damaged, tell
from storage.files import exclusive
from storage.full_disk import is_full, is_read_only, naming, refused

ASIDE = ".damaged"
# What SQLite says of a file that is spoilt: an error in our own fixed statements (a table's name changed), a malformed
# file, another write version, no database, a read past the end.
_SPOILT = frozenset((sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY))
_SPOILT |= {sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_MISMATCH}
# What says nothing against the file: told as the operating system would, so that it is one line like a full disk's.
_SYSTEM = {sqlite3.SQLITE_FULL: errno.ENOSPC, sqlite3.SQLITE_IOERR: errno.EIO, sqlite3.SQLITE_BUSY: errno.EBUSY}
_SYSTEM |= {sqlite3.SQLITE_CANTOPEN: errno.EACCES, sqlite3.SQLITE_READONLY: errno.EACCES}

_TABLE = "CREATE TABLE IF NOT EXISTS done (key TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER) WITHOUT ROWID"
_SELECT = "SELECT key, value, crc FROM done"
_PUT = "INSERT OR REPLACE INTO done (key, value, crc) VALUES (?, ?, ?)"


class _Spoilt(sqlite3.DatabaseError):
    """SQLite's own check found the file inconsistent."""


class Journal:
    """Key -> JSON value. A second `put` of a key replaces the first. One object per thread.

    Every method raises OSError, which names the file, for a full disk (CannotWrite) and the like.
    """

    def __init__(self, path: Path):
        with naming(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._inode = path, 0
        self._db = self._ready(self._open)

    def get(self, key: str) -> Any | None:
        row = self._ready(lambda: self._db.execute(f"{_SELECT} WHERE key = ?", (key,)).fetchone())
        return None if row is None else next((value for _, value in self._sound([row])), None)

    def put(self, key: str, value: Any) -> None:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        record = (key, text, _checksum(key.encode(), text.encode()))
        self._ready(lambda: self._db.execute(_PUT, record))

    def drop(self, unwanted: Callable[[Any], bool]) -> int:
        """Forgets the records whose value is `unwanted`; how many they were."""
        keys = [(key,) for key, value in self.items() if unwanted(value)]
        self._ready(lambda: self._db.executemany("DELETE FROM done WHERE key = ?", keys))
        return len(keys)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Every record, by key."""
        yield from self._sound(self._ready(lambda: self._db.execute(f"{_SELECT} ORDER BY key").fetchall()))

    def __len__(self) -> int:
        return self._ready(lambda: self._db.execute("SELECT count(*) FROM done").fetchone()[0])

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        try:
            self._inode = self.path.stat().st_ino
            database.text_factory = bytes
            # Two processes that switch a new file to WAL at once both get "database is locked", whatever the timeout.
            with exclusive(self.path.with_name(f".{self.path.name}.lock")):
                database.execute("PRAGMA journal_mode=WAL")
                # NORMAL survives the death of the process; only a power cut can lose the last records, then redone.
                database.execute("PRAGMA synchronous=NORMAL")
                database.execute(_TABLE)
                columns = [row[1] for row in database.execute("PRAGMA table_info(done)")]
                if b"crc" not in columns:  # a journal from before records had checksums
                    database.execute("ALTER TABLE done ADD COLUMN crc INTEGER")
            (said,) = database.execute("PRAGMA integrity_check(1)").fetchone()
            if said != b"ok":
                raise _Spoilt(said.decode(errors="replace"))
        except BaseException:
            database.close()
            raise
        return database

    def _ready(self, act: Callable[[], Any]) -> Any:
        """What `act` gives; where the file turns out to be spoilt it is set aside, and `act` meets a new one."""
        try:
            return act()
        except sqlite3.Error as error:
            default = sqlite3.SQLITE_CORRUPT if isinstance(error, _Spoilt) else sqlite3.SQLITE_OK
            code = getattr(error, "sqlite_errorcode", default)
            if not self._is_spoilt(code):
                if (code & 0xFF) not in _SYSTEM:
                    raise
                raise self._refusal(code & 0xFF, str(error)) from error
            why, aside = Damaged(self.path, str(error)), self._set_aside()
        if act != self._open:
            self._db.close()
        self._db = self._open()
        if aside is not None:
            saved = self._save_from(aside)
            tell(why, f"{saved} whole records were kept, what else it held is done again; it is now {aside.name}")
        return self._db if act == self._open else act()

    def _refusal(self, code: int, said: str) -> OSError:
        """SQLite says little of what the system refused: a full disk may be SQLITE_CANTOPEN, or an error of reading."""
        if code == sqlite3.SQLITE_FULL or (code != sqlite3.SQLITE_BUSY and is_full(self.path)):
            return refused(errno.ENOSPC, self.path)
        if code != sqlite3.SQLITE_BUSY and is_read_only(self.path):
            return refused(errno.EROFS, self.path)
        return OSError(_SYSTEM[code], said, str(self.path))

    def _is_spoilt(self, code: int) -> bool:
        if code & 0xFF == sqlite3.SQLITE_READONLY and not os.access(self.path, os.W_OK):
            return False
        return code & 0xFF in _SPOILT or code == sqlite3.SQLITE_IOERR_SHORT_READ

    def _set_aside(self) -> Path | None:
        """The place that the file was moved to; None where another process has done that."""
        aside = self.path.with_name(self.path.name + ASIDE)
        with exclusive(self.path.with_name(f".{self.path.name}.lock")):
            if not self.path.exists() or self.path.stat().st_ino != self._inode:
                return None
            for end in ("-wal", "-shm", ""):
                place = aside.with_name(aside.name + end)
                place.unlink(missing_ok=True)
                with contextlib.suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + end).replace(place)
        return aside

    def _save_from(self, aside: Path) -> int:
        """Takes over the records of a spoilt file that have the checksum of what they hold; how many they are."""
        saved = {}
        for order in ("ASC", "DESC"):  # past the place that cannot be read, from either side
            with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(aside)) as spoilt:
                spoilt.text_factory = bytes
                for key, text, crc in spoilt.execute(f"{_SELECT} ORDER BY key {order}"):
                    if isinstance(key, bytes) and isinstance(text, bytes) and crc == _checksum(key, text):
                        saved[key.decode()] = (text.decode(), crc)
        records = [(key, text, crc) for key, (text, crc) in saved.items()]
        self._ready(lambda: self._db.executemany(_PUT, records))
        return len(records)

    def _sound(self, rows: list[tuple[bytes, bytes, int | None]]) -> Iterator[tuple[str, Any]]:
        """The records whose content is what was written."""
        for key, text, crc in rows:
            try:
                if crc is not None and crc != _checksum(key, text):
                    raise ValueError("its checksum differs")
                yield key.decode(), json.loads(text)
            except (RecursionError, TypeError, ValueError) as error:
                tell(Damaged(self.path, f"a record: {error}"), "that item is done again")


def _checksum(key: bytes, text: bytes) -> int:
    return zlib.crc32(text, zlib.crc32(key))
