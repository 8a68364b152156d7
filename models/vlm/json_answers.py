"""The JSON object in a model's words: within fences, prose, thoughts, or with small slips; never one made of prose."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from models.vlm.failures import INVALID_JSON, WRONG_SCHEMA

THOUGHTS = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
WORDS = re.compile(r"\w")
LONGEST = 1_000_000  # characters that are searched; longer texts must be JSON as they stand
MOST_STARTS = 2_000  # brackets that are tried: a bound on the time that a hostile text takes
MOST_REPAIRED = 100_000  # characters


class Found(NamedTuple):
    """A JSON value that stands in a text from `start` to `end`."""

    start: int
    end: int
    value: Any


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


# Line breaks within strings are taken as they are: models write them, and nothing else can be meant.
DECODER = json.JSONDecoder(strict=False, parse_constant=_no_number)


def find_object(text: str, fits: Callable[[Any], bool]) -> tuple[Any | None, str]:
    """(the object that `fits`, "") or (None, invalid_json or wrong_schema).

    A text that is JSON as a whole is taken at its word. Else the last fitting object counts of those that stand for
    themselves, outside other JSON and outside what the model thought (before </think>, after an open <think>). Where
    none does, JSON with small slips (a bracket too many, a comma too few) is mended, as far as all that it says stands
    in the text: see `_mended`.
    """
    whole = _parsed(text.strip())
    if whole is not None:
        return (whole.value, "") if fits(whole.value) else (None, WRONG_SCHEMA)
    if len(text) > LONGEST:
        return None, INVALID_JSON
    found = list(_standing(text))
    start, end = _after_thoughts(text, found)
    said = [one for one in found if start <= one.start < end]
    for one in reversed(said):
        if fits(one.value):
            return one.value, ""
    value = _mended(text[start:end])
    if value is not None and fits(value):
        return value, ""
    objects = [one for one in said if isinstance(one.value, dict)]
    return None, WRONG_SCHEMA if objects or isinstance(value, dict) else INVALID_JSON


def storable(value: Any) -> bool:
    """Whether a journal and a table can hold `value`: finite numbers, and texts that are Unicode."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError):  # covers lone surrogates and integers of 5,000 digits
        return False
    return True


def _parsed(text: str, at: int = 0) -> Found | None:
    """The storable JSON at a place of the text, which is all of the text for place 0 of a stripped one."""
    try:
        value, end = DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None
    whole = at > 0 or end == len(text)
    return Found(at, end, value) if whole and storable(value) else None


def _standing(text: str) -> Iterator[Found]:
    """Objects and lists that are valid JSON and within no other one that is, in the order of the text."""
    padded = " " + text  # so that no place is 0
    at, tried = 1, 0
    for match in re.finditer(r"[{\[]", padded):
        if match.start() < at:
            continue
        if tried == MOST_STARTS:
            return
        tried += 1
        if one := _parsed(padded, match.start()):
            yield Found(one.start - 1, one.end - 1, one.value)
            at = one.end


def _after_thoughts(text: str, found: list[Found]) -> tuple[int, int]:
    """Where the model speaks: after its last closed thought, and before one that it never ended. Tags within JSON are
    words of that JSON."""
    start, end = 0, len(text)
    for tag in THOUGHTS.finditer(text):
        if any(one.start < tag.start() < one.end for one in found):
            continue
        if tag[1]:
            start, end = tag.end(), len(text)
        elif end == len(text):
            end = tag.start()
    return start, max(start, end)


def _mended(text: str) -> Any | None:
    """The JSON from the first { to the last }, slips mended by json-repair; None where that took or added anything.

    All words of the text must be in the result, in their order, and each of its strings in quotes in the text: then
    nothing was left out, closed early or made up.
    """
    start, end = text.find("{"), text.rfind("}") + 1
    if start < 0 or not 0 < end - start <= MOST_REPAIRED:
        return None
    import json_repair

    part = text[start:end]
    if part.count("{") > part.count("}") or part.count("[") > part.count("]"):  # perhaps cut
        return None
    try:
        value = json_repair.loads(part, skip_json_loads=True)
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    if not isinstance(value, dict) or not storable(value):
        return None
    kept = "".join(WORDS.findall(json.dumps(value, ensure_ascii=False)))
    given = "".join(WORDS.findall(part))
    return value if kept == given and all(_quoted(one, part) for one in _strings(value)) else None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(key)
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _quoted(said: str, text: str) -> bool:
    """Whether the string stands in the text between quotes, as it is or escaped."""
    escaped = json.dumps(said, ensure_ascii=False)
    return escaped in text or any(f"{mark}{said}{mark}" in text for mark in "\"'")
