"""Parquet files that others may have written or spoilt: whatever is in one, the error names it and the column."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from storage.damage import Damaged
from storage.tables import opened


class WrongColumns(ValueError):
    """A table lacks a column, or has one of another type; the message names file, column and type."""


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_picture(kind: pa.DataType) -> bool:
    """A struct of `bytes` (and `path`), as Hugging Face stores pictures."""
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return False
    stored = kind.field("bytes").type
    return pa.types.is_binary(stored) or pa.types.is_large_binary(stored)


# What a column may be asked to be.
KINDS: dict[str, Callable[[pa.DataType], bool]] = {
    "text": _is_text,
    "whole number": pa.types.is_integer,
    "picture with bytes": _is_picture,
}
REMEDY = "fetch or publish the release again"


@contextlib.contextmanager
def table(path: Path, columns: Mapping[str, str]) -> Iterator[pq.ParquetFile]:
    """The file, which has `columns` (name -> kind of `KINDS`).

    Raises OSError, WrongColumns, and, inside too, Damaged for what cannot be read.
    """
    try:
        with opened(path) as file:
            schema = file.schema_arrow
            for name, kind in columns.items():
                found = schema.field(name).type if schema.names.count(name) == 1 else None
                if found is None:
                    raise WrongColumns(f"{path} has no column {name!r}, or several: it needs one, a {kind}")
                if not KINDS[kind](found):
                    raise WrongColumns(f"{path}, column {name!r} is {found}: it must be a {kind}")
            yield file
    except Damaged as error:
        raise Damaged(path, error.why, REMEDY) from error


def row_group(path: Path, group: int, columns: Mapping[str, str]) -> list[dict]:
    """The rows of one row group. Raises as `table`."""
    with table(path, columns) as file:
        return file.read_row_group(group, columns=list(columns)).to_pylist()
