"""How a stage makes one shard's table: under a lock, skipped when nothing changed, replaced whole."""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.frame_files import changed_pictures_removed
from curation.schemas import TOKENS, UNFINISHED
from curation.stage import Stage
from media.remote import SERVERS
from storage.collection import Store
from storage.damage import Damaged
from storage.files import exclusive, sha256_bytes, sweep
from storage.tables import KEPT, digest, opened, read_meta, whole, write_table

# Rows that say nothing lasting: their table is made again by the next run.
AGAIN = SERVERS | {UNFINISHED}


class NotBuilt(RuntimeError):
    """The stage before has no table of this shard."""


@dataclass(frozen=True)
class Outcome:
    """One shard's table after a run."""

    shard: str
    path: Path
    sha256: str  # of the table's file
    rows: int
    kept: int
    reasons: Counter
    seconds: float
    reused: bool
    tokens: dict[str, int]  # what the VLM was paid for this table; empty where it was not asked


def run_shard(
    store: Store,
    stage: Stage,
    shard: str,
    options: Mapping[str, Any],
    build: Callable[[str], list[dict]],
    intact: Callable[[Path], bool] = lambda path: True,
    source: Callable[[str], str] | None = None,
) -> Outcome:
    """Makes the stage's table of one shard, unless it is there.

    `options` are the values that decide the rows; with the upstream table's hash and the stage's version they are the
    fingerprint, and a table with that fingerprint, without unfinished rows, that passes `intact` is left alone.
    `source(shard)` stands for the upstream hash where there is no upstream table. `build(shard)` gives the rows.
    A damaged table is made again, which is told. Raises NotBuilt, Damaged for an upstream table or a picture, and what
    `build` raises; then the old table is still there.
    """
    path = store.table(stage.name, shard)
    with exclusive(store.lock(stage.name, shard)):
        began = time.monotonic()
        sweep(path.parent, path.name)
        meta = {"stage": stage.name, "version": stage.version, "options": _as_json(options)}
        meta["upstream"] = _upstream(store, stage, shard) if source is None else source(shard)
        meta["fingerprint"] = sha256_bytes(json.dumps(meta, sort_keys=True).encode())
        there = whole(path)
        before = read_meta(path) if there else {}
        reused = before.get("fingerprint") == meta["fingerprint"] and not before["unfinished"] and intact(path)
        if not reused:
            with changed_pictures_removed():
                rows = build(shard)
            unfinished = sum(row["reason"] in AGAIN for row in rows)
            write_table(path, rows, stage.schema, meta | {"unfinished": unfinished})
            store.note_seconds(stage.name, time.monotonic() - began, shard)
            there = digest(path)
    tokens = [name for name, _ in TOKENS if name in stage.schema.names]
    with opened(path) as file:
        verdicts = file.read(["status", "reason", *tokens])
    reasons = Counter(reason for reason in verdicts["reason"].to_pylist() if reason)
    kept = verdicts["status"].to_pylist().count(KEPT)
    paid = {name: sum(verdicts[name].to_pylist()) for name in tokens}
    seconds = time.monotonic() - began
    return Outcome(shard, path, there, verdicts.num_rows, kept, reasons, seconds, reused, paid)


def _upstream(store: Store, stage: Stage, shard: str) -> str:
    table = store.table(stage.upstream, shard)
    if not table.exists():
        raise NotBuilt(f"{stage.name} needs {stage.upstream} of {shard}, which does not exist: build it first")
    try:
        return digest(table)
    except Damaged as error:
        raise Damaged(table, error.why, f"materialize {stage.upstream} of {shard}, which makes it again") from error


def _as_json(options: Mapping[str, Any]) -> dict[str, Any]:
    """`options` as they come back from JSON, so that a stored and a fresh copy compare equal."""
    return json.loads(json.dumps(options))
