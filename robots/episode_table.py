"""A shard's episodes as one Parquet table: each that the source lists, kept or refused, with what was found."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from robots.episode import Episode, Finding, Footage
from robots.write_encoded import Recording
from storage.files import sha256_file
from storage.tables import KEPT, REJECTED, opened

FOOTAGE = pa.struct([
    ("view", pa.string()),
    ("path", pa.string()),
    ("start_s", pa.float64()),
    ("end_s", pa.float64()),  # null: to the end of the file
    ("place", pa.int32()),  # of the view in an array file
    ("sha256", pa.string()),  # of the whole file; "" where the episode is refused
])  # fmt: skip

FINDING = pa.struct([("rule", pa.string()), ("message", pa.string()), ("refused", pa.bool_())])

EPISODES = pa.schema([
    ("episode_id", pa.string()),
    ("split", pa.string()),
    ("scene", pa.string()),
    ("text", pa.string()),
    ("fps", pa.float64()),
    ("rows", pa.int32()),
    ("columns", pa.int32()),
    ("states", pa.list_(pa.float64())),  # row after row
    ("states_sha256", pa.string()),
    ("footage", pa.list_(FOOTAGE)),  # in the contract's order of views
    ("content", pa.string()),  # a hash of states, rate and footage; "" where the episode is refused
    ("findings", pa.list_(FINDING)),
    ("status", pa.string()),
    ("reason", pa.string()),  # the rule that refused it
    ("detail", pa.string()),
])  # fmt: skip

SMALL = [name for name in EPISODES.names if name != "states"]


def row_of(episode: Episode) -> dict[str, Any]:
    """An episode as a row of the table. The bytes of a kept episode's files are read, each file once."""
    kept = not episode.refused
    states = np.ascontiguousarray(episode.states, np.float64)
    footage = [
        {
            "view": view,
            "path": _text(str(one.path)),
            "start_s": one.start_s,
            "end_s": one.end_s,
            "place": one.view,
            "sha256": file_digest(one.path) if kept else "",
        }
        for view, one in episode.footage.items()
    ]
    states_sha256 = hashlib.sha256(states.tobytes()).hexdigest()
    seen = [{name: one[name] for name in one if name != "path"} for one in footage]
    content = hashlib.sha256(json.dumps([states_sha256, list(states.shape), episode.fps, seen]).encode()).hexdigest()
    return {
        "episode_id": _text(episode.episode_id),
        "split": _text(episode.split),
        "scene": _text(episode.scene),
        "text": _text(episode.text),
        "fps": episode.fps,
        "rows": episode.frames,
        "columns": states.shape[1],
        "states": states.ravel(),
        "states_sha256": states_sha256,
        "footage": footage,
        "content": content if kept else "",
        "findings": [_finding(one) for one in episode.findings],
        "status": KEPT if kept else REJECTED,
        "reason": episode.refused,
        "detail": next((_text(one.message) for one in episode.findings if one.refused), ""),
    }


def _finding(one: Finding) -> dict[str, Any]:
    return {"rule": one.rule, "message": _text(one.message), "refused": one.refused}


def _text(text: str) -> str:
    """A table holds UTF-8 alone: half of a surrogate pair, which JSON may name, is written as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def recordings(tables: Iterable[Path]) -> Iterator[Recording]:
    """The kept episodes of tables named by their shards, in their order."""
    for path in tables:
        with opened(path) as file:
            for batch in file.iter_batches(batch_size=256):
                small = batch.select(SMALL).to_pylist()
                for row, states in zip(small, batch.column("states"), strict=True):
                    if row["status"] == KEPT:
                        table = states.values.to_numpy().reshape(row["rows"], row["columns"])
                        yield Recording(_episode(row, table), row["content"], path.stem)


def _episode(row: Mapping[str, Any], states: np.ndarray) -> Episode:
    footage = {
        one["view"]: Footage(Path(one["path"]), one["start_s"], one["end_s"], one["place"]) for one in row["footage"]
    }
    findings = tuple(Finding(**one) for one in row["findings"])
    return Episode(
        row["episode_id"], row["split"], row["fps"], states, footage, row["text"], row["scene"], findings=findings
    )


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, remembered for the files read last: many episodes may lie in one."""
    status = os.stat(path)
    return _digest(os.fspath(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest(path: str, size: int, mtime_ns: int) -> str:
    return sha256_file(Path(path))
