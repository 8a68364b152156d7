"""One pass over the shards of a stage: only the columns asked for, one batch in memory at a time."""

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import nsmallest
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

BATCH = 50_000

Tables = Mapping[str, Sequence[Path]]


def batches(paths: Iterable[Path], columns: Sequence[str]) -> Iterator[pa.Table]:
    """The named columns of every file, up to BATCH rows at a time. Raises ValueError for a column that is not there."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            missing = [name for name in columns if name not in file.schema_arrow.names]
            if missing:
                raise ValueError(f"{path} has no column {', '.join(missing)}. It has {file.schema_arrow.names}")
            for batch in file.iter_batches(batch_size=BATCH, columns=list(columns)):
                yield pa.Table.from_batches([batch]).select(list(columns))


def counts(paths: Iterable[Path], columns: Sequence[str]) -> Counter[tuple]:
    """How often each combination of values of `columns` occurs; null reads as ""."""
    found: Counter[tuple] = Counter()
    for table in batches(paths, columns):
        grouped = table.group_by(list(columns)).aggregate([([], "count_all")])
        keys = zip(*(grouped.column(name).to_pylist() for name in columns), strict=True)
        for key, count in zip(keys, grouped.column("count_all").to_pylist(), strict=True):
            found[tuple("" if value is None else value for value in key)] += count
    return found


def sample(
    paths: Iterable[Path], column: str, by: Sequence[str], cap: int, salt: str = ""
) -> dict[tuple[str, ...], list[str]]:
    """For every combination of values of `by`, up to `cap` distinct values of `column`, sorted.

    The choice is by checksum of salt and value: spread over the whole population, the same whatever the order of rows
    and files, and unchanged for most when a row is added.
    """
    chosen: dict[tuple[str, ...], set[tuple[int, str]]] = {}
    prefix = zlib.crc32(salt.encode())
    for table in batches(paths, [column, *by]):
        table = table.group_by([column, *by]).aggregate([])  # each combination once: eight pairs share a frame
        values = [value or "" for value in table.column(column).to_pylist()]
        groups = zip(*(table.column(name).to_pylist() for name in by), strict=True) if by else [()] * len(values)
        for value, group in zip(values, groups, strict=True):
            rank = zlib.crc32(value.encode(), prefix), value
            chosen.setdefault(tuple(key or "" for key in group), set()).add(rank)
        chosen = {group: set(nsmallest(cap, ranks)) for group, ranks in chosen.items()}
    return {group: sorted(value for _, value in ranks) for group, ranks in sorted(chosen.items())}


def rows_where(paths: Iterable[Path], column: str, wanted: Iterable[str], columns: Sequence[str]) -> list[dict]:
    """The rows whose `column` is among `wanted`, as dicts of `columns`, in file order: for small selections only."""
    value_set = pa.array(sorted(set(wanted)), pa.string())
    if not len(value_set):
        return []
    rows: list[dict] = []
    for table in batches(paths, list(dict.fromkeys([column, *columns]))):
        rows += table.filter(pc.is_in(table.column(column), value_set=value_set)).to_pylist()
    return rows
