"""Reads JSON that others may have written: whatever is in the file, the error is one line that names it."""

import json
from pathlib import Path
from typing import Any


class NotJson(ValueError):
    """A file is not the JSON that is expected; the message names it."""


def read_json(path: Path) -> Any:
    """What the file holds. Raises OSError, and NotJson for what is not JSON in UTF-8."""
    return parse_json(path.read_bytes(), str(path))


def read_object(path: Path, *names: str) -> dict[str, Any]:
    """The JSON object in the file. Raises OSError, and NotJson: no JSON, no object, or one without all of `names`."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise NotJson(f"{path} holds a {type(value).__name__}: a JSON object is expected")
    missing = [name for name in names if name not in value]
    if missing:
        raise NotJson(f"{path} lacks {', '.join(missing)}")
    return value


def parse_json(data: bytes | str, name: str) -> Any:
    """The value of a JSON text; `name` says in errors where it stands. Raises NotJson."""
    try:
        return json.loads(data)
    except RecursionError as error:
        raise NotJson(f"{name} is not JSON that can be read: it is nested too deep") from error
    except ValueError as error:  # among them UnicodeDecodeError
        raise NotJson(f"{name} is not JSON: {error}") from error
