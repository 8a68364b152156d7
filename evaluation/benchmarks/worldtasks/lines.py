"""JSON lines read with their places, so that every complaint can say where."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.benchmarks.benchmark import BadBenchmark
from storage.json_files import NotJson, parse_json

MOST_LINE = 1 << 20  # characters


def read_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """("FILE, line N", object) for each line that is not blank.

    Raises FileNotFoundError, and BadBenchmark for a line that is no JSON object, no UTF-8 or longer than a million
    characters.
    """
    with path.open(encoding="utf-8") as lines:
        number = 0
        while True:
            number += 1
            try:
                line = lines.readline(MOST_LINE + 1)
            except UnicodeDecodeError as error:
                raise BadBenchmark(f"{path}, line {number} or later: not UTF-8 ({error})") from error
            if not line:
                return
            where = f"{path}, line {number}"
            if len(line) > MOST_LINE:
                raise BadBenchmark(f"{where}: longer than {MOST_LINE} characters")
            if not line.strip():
                continue
            try:
                value = parse_json(line, where)
            except NotJson as error:
                raise BadBenchmark(str(error)) from error
            if not isinstance(value, dict):
                raise BadBenchmark(f"{where}: {type(value).__name__} instead of an object")
            yield where, value


def text(row: Mapping[str, Any], names: Sequence[str], where: str, default: str | None = None) -> str:
    """The first of `names` that the row has, as text. Raises BadBenchmark: it is none, or missing without default."""
    for name in names:
        if row.get(name) is not None:
            value = row[name]
            if type(value) is int and name in ("id", "sample_id"):
                return str(value)
            if not isinstance(value, str):
                raise BadBenchmark(f"{where}, {name}: {value!r:.100} is not text")
            if not value.isprintable() and any(0xD800 <= ord(c) < 0xE000 or c == "\0" for c in value):
                raise BadBenchmark(f"{where}, {name}: {value!r:.100} has characters that no file can hold")
            return value
    if default is None:
        raise BadBenchmark(f"{where}: {names[0]} is missing (the line has {', '.join(sorted(row)) or 'nothing'})")
    return default
