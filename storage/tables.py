"""Parquet tables that are only ever replaced whole, each carrying the fingerprint of what made it, and a seal.

The seal is a hash of the whole file, and pages have checksums: a table that changed on disk is found where it is read.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storage import seals
from storage.damage import Damaged, tell
from storage.files import replacing
from storage.json_files import NotJson, parse_json

META_KEY = b"wmsd"
KEPT, REJECTED = "kept", "rejected"  # the `status` of a row
ROW_GROUP = 10_000


def write_table(path: Path, rows: Iterable[dict], schema: pa.Schema, meta: dict[str, Any]) -> None:
    """Writes `rows` (dicts with exactly the columns of `schema`) to `path` atomically, in the order given.

    `meta` (JSON values) is kept in the file's footer. The same rows and meta give the same bytes. Memory is that of one
    row group, however many rows come. Raises ValueError for a row with an unknown or missing column.
    """
    names = set(schema.names)

    def tables() -> Iterator[pa.Table]:
        for chunk in chunks(rows, ROW_GROUP):
            for row in chunk:
                if row.keys() != names:
                    raise ValueError(f"{path.name}: columns {sorted(row.keys() ^ names)} are missing or unknown")
            yield pa.Table.from_pylist(chunk, schema=schema)

    write_batches(path, tables(), schema, meta)


def write_batches(path: Path, tables: Iterable[pa.Table], schema: pa.Schema, meta: dict[str, Any]) -> None:
    """Like `write_table`, from Arrow tables of any length with the columns of `schema` in its order.

    The same rows give the same bytes however they are cut into tables. Raises ValueError for other columns.
    """
    plain = schema.remove_metadata()
    schema = schema.with_metadata({META_KEY: json.dumps(meta, sort_keys=True).encode()})
    with replacing(path) as temporary:
        with pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True) as writer:
            _write_groups(path, writer, tables, schema, plain)
            writer.add_key_value_metadata({seals.KEY: seals.ROOM})
        seals.seal(temporary, _tail(temporary))


def _write_groups(
    path: Path, writer: pq.ParquetWriter, tables: Iterable[pa.Table], schema: pa.Schema, plain: pa.Schema
) -> None:
    waiting, count = [], 0
    for table in tables:
        if table.schema.remove_metadata() != plain:
            raise ValueError(f"{path.name}: columns {table.schema.names} or their types differ from {plain.names}")
        waiting.append(table.replace_schema_metadata(None))
        count += table.num_rows
        while count >= ROW_GROUP:
            joined = pa.concat_tables(waiting)
            _write_group(writer, joined.slice(0, ROW_GROUP), schema)
            waiting, count = [joined.slice(ROW_GROUP)], count - ROW_GROUP
    if count:
        _write_group(writer, pa.concat_tables(waiting), schema)


def _write_group(writer: pq.ParquetWriter, table: pa.Table, schema: pa.Schema) -> None:
    # One chunk a column, else page boundaries would tell how the rows arrived.
    writer.write_table(table.combine_chunks().replace_schema_metadata(schema.metadata))


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


@contextlib.contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """The table's file, with its pages checked as they are read. Raises Damaged, inside too, for a spoilt one."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise Damaged(path, _first_line(error)) from error
    except OSError as error:
        if error.errno is not None:  # not there, no permission, a device that fails
            raise
        raise Damaged(path, _first_line(error)) from error


def digest(path: Path) -> str:
    """The SHA-256 of a table's file. Raises Damaged where it is not the table that was written.

    A table from before there were seals is read whole instead: what cannot be read is damaged.
    """
    sha256, sealed = seals.checked_sha256(path, _tail(path))
    if not sealed:
        with opened(path) as file:
            for batch in file.iter_batches():
                batch.validate(full=True)
            try:
                parse_json((file.schema_arrow.metadata or {}).get(META_KEY, b"{}"), "its meta")
            except NotJson as error:
                raise Damaged(path, str(error)) from error
    return sha256


def whole(path: Path) -> str:
    """`digest` of a table that can be made again; "" where it is absent or, which is told, damaged."""
    try:
        return digest(path)
    except FileNotFoundError:
        return ""
    except Damaged as error:
        tell(error, "it is made again")
        return ""


def _tail(path: Path) -> int:
    """How many bytes at the file's end hold its footer."""
    with path.open("rb") as handle:
        size = handle.seek(0, 2)
        handle.seek(max(0, size - 8))
        length = int.from_bytes(handle.read(4), "little")
    return max(seals.TAIL, min(size, length + 8))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def read_rows(path: Path, columns: list[str] | None = None, batch: int = ROW_GROUP) -> Iterator[dict]:
    """The rows of a table as dicts, `batch` at a time in memory. Raises Damaged, as `opened`."""
    with opened(path) as file:
        for part in file.iter_batches(batch_size=batch, columns=columns):
            yield from part.to_pylist()


def read_meta(path: Path) -> dict[str, Any]:
    """What `write_table` was given as `meta`; {} when the file is absent or is no table of ours."""
    try:
        meta = parse_json((pq.read_schema(path).metadata or {}).get(META_KEY, b"{}"), "its meta")
    except (FileNotFoundError, pa.ArrowException, ValueError):
        return {}
    except OSError as error:
        if error.errno is not None:
            raise
        return {}
    return meta if isinstance(meta, dict) else {}


def kept_rows(path: Path) -> Iterator[dict]:
    """The kept rows of a stage's table, in its order."""
    return (row for row in read_rows(path) if row["status"] == KEPT)
