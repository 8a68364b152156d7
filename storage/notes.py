"""Small JSON objects on disk that carry a hash of themselves."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storage.damage import Damaged, tell
from storage.files import sha256_bytes, write_bytes

SUM = "sha256"


def sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` (JSON) with a hash of them as `sha256`."""
    return {**values, SUM: _digest(values)}


def write_note(path: Path, values: Mapping[str, Any], indent: int | None = None) -> None:
    """Writes `values` (JSON without NaN, no key `sha256`) to `path` atomically; equal values give equal bytes."""
    write_bytes(path, (json.dumps(sealed(values), indent=indent, allow_nan=False) + "\n").encode())


def read_note(path: Path, remedy: str) -> dict[str, Any]:
    """What `write_note` was given, or the JSON object of a file from before notes had hashes.

    Raises FileNotFoundError, and Damaged with `remedy` for anything else: no JSON, no object, another hash.
    """
    return parse_note(path, path.read_bytes(), remedy)


def parse_note(path: Path, data: bytes, remedy: str) -> dict[str, Any]:
    """`read_note` of bytes that were read from `path`."""
    try:
        values = json.loads(data)
    except RecursionError as error:
        raise Damaged(path, "its JSON is nested too deep", remedy) from error
    except ValueError as error:
        raise Damaged(path, f"it is no JSON: {error}", remedy) from error
    if not isinstance(values, dict):
        raise Damaged(path, f"it holds a {type(values).__name__}, an object is expected", remedy)
    found = values.pop(SUM, None)
    if found is None and any(_near(name) for name in values):
        raise Damaged(path, f"the key {SUM!r} of its hash is spoilt", remedy)
    if found is not None and not _fits(values, found):
        raise Damaged(path, "its content is not what was written", remedy)
    return values


def kept_note(path: Path, done: str = "it is made again") -> dict[str, Any]:
    """As `read_note`, for a file that is made again from others: {} where it is absent or, which is told, damaged."""
    try:
        return read_note(path, "")
    except FileNotFoundError:
        return {}
    except Damaged as error:
        tell(error, done)
        return {}


def _digest(values: Mapping[str, Any]) -> str:
    return sha256_bytes(json.dumps(dict(values), sort_keys=True, allow_nan=False).encode())


def _fits(values: Mapping[str, Any], found: Any) -> bool:
    try:
        return found == _digest(values)
    except (ValueError, RecursionError):  # infinity, or nested deeper than JSON is written
        return False


def _near(name: str) -> bool:
    """Whether a key is `sha256` but for a character or two."""
    return len(name) == len(SUM) and sum(a != b for a, b in zip(name, SUM, strict=True)) <= 2
