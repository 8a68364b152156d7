"""Files that other tools write and read: JSON and CSV, taken as hostile and given without surprises."""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from storage.files import write_bytes

MOST_BYTES = 256 * 2**20  # of a file read whole: VBVR's metadata carries 500 first frames in base64
FORMULA = ("=", "+", "-", "@")
BREAK = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")  # control characters and whatever ends a line


def read_text(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """A UTF-8 file (a byte order mark is dropped). Raises OSError, and ValueError for other text or a larger file."""
    size = path.stat().st_size
    if size > most_bytes:
        raise ValueError(f"{path} has {size} bytes, more than the {most_bytes} that are read")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 at byte {error.start}") from error


def read_json(path: Path) -> Any:
    """A JSON file. Raises OSError, and ValueError for what is no JSON: NaN, Infinity and doubled keys among it."""
    try:
        return json.loads(read_text(path), parse_constant=_no_constant, object_pairs_hook=_without_doubles)
    except RecursionError as error:
        raise ValueError(f"{path}: nested too deeply for a file of results") from error
    except ValueError as error:
        raise error if str(path) in str(error) else ValueError(f"{path}: {error}") from error


def write_json(path: Path, value: Any) -> None:
    """Replaces `path` whole. Raises ValueError for numbers that JSON does not have."""
    write_bytes(path, f"{json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2)}\n".encode())


def read_csv(path: Path) -> list[list[str]]:
    """The lines of a CSV file as cells; blank lines are left out.

    Raises OSError and ValueError naming file and line.
    """
    text = read_text(path)
    if "\0" in text:
        raise ValueError(f"{path} holds a NUL character, so it is not a CSV file")
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return [cells for cells in lines if cells]
    except csv.Error as error:  # among them cells of over 131,072 characters
        raise ValueError(f"{path}, line {lines.line_num}: {error}") from error


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Replaces `path` whole: a header, then rows, quoted only where a cell has a comma, a quote or a line break."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_bytes(path, buffer.getvalue().encode())


def harmless(text: str) -> str:
    """Text for a cell: on one line, and never a formula for a spreadsheet that opens the file (a space goes before)."""
    line = BREAK.sub(" ", text)
    return f" {line}" if line.startswith(FORMULA) else line


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} appears twice in one object")
    return found
