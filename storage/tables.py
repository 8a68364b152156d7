"""Parquet tables that are only ever replaced whole, each carrying the fingerprint of what made it."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storage.files import replacing

META_KEY = b"wmsd"
ROW_GROUP = 10_000


def write_table(path: Path, rows: Iterable[dict], schema: pa.Schema, meta: dict[str, Any]) -> None:
    """Writes `rows` (dicts with exactly the columns of `schema`) to `path` atomically, in the order given.

    `meta` (JSON values) is kept in the file's footer. The same rows and meta give the same bytes. Memory is that of one
    row group, however many rows come. Raises ValueError for a row with an unknown or missing column.
    """
    names = set(schema.names)
    schema = schema.with_metadata({META_KEY: json.dumps(meta, sort_keys=True).encode()})
    with replacing(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for chunk in chunks(rows, ROW_GROUP):
            for row in chunk:
                if row.keys() != names:
                    raise ValueError(f"{path.name}: columns {sorted(row.keys() ^ names)} do not fit the schema")
            writer.write_table(pa.Table.from_pylist(chunk, schema=schema))


def chunks(rows: Iterable, size: int) -> Iterator[list]:
    """Lists of up to `size` consecutive items."""
    chunk: list = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def read_rows(path: Path, columns: list[str] | None = None, batch: int = ROW_GROUP) -> Iterator[dict]:
    """The rows of a table as dicts, `batch` at a time in memory."""
    with pq.ParquetFile(path) as file:
        for part in file.iter_batches(batch_size=batch, columns=columns):
            yield from part.to_pylist()


def read_meta(path: Path) -> dict[str, Any]:
    """What `write_table` was given as `meta`; {} when the file is absent or is no table of ours."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (FileNotFoundError, pa.ArrowInvalid):
        return {}
    return json.loads(metadata.get(META_KEY, b"{}"))
