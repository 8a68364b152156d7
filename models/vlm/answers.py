"""What every backend does with a model's words: check an object against its schema, and weigh yes against no."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from models.vlm.protocol import Completion, LogOdds, Usage

YES = ("yes", "Yes", " yes", " Yes", "YES")
NO = ("no", "No", " no", " No", "NO")

FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", re.DOTALL | re.IGNORECASE)


def model_id(backend: str, model: str, revision: str, temperature: float, thinking: bool | None) -> str:
    """What was asked, for every row and journal key: with the settings that are not the defaults."""
    name = f"{backend}:{model}" + (f"@{revision}" if revision != "main" else "")
    return name + (f";temperature={temperature:g}" if temperature else "") + (";thinking" if thinking else "")


def one_token_ids(tokenizer: Any, words: Sequence[str]) -> list[int]:
    """The ids of those `words` that are one token. Raises ValueError when none is."""
    spelt = [tokenizer.encode(word, add_special_tokens=False) for word in words]
    ids = sorted({tokens[0] for tokens in spelt if len(tokens) == 1})
    if not ids:
        raise ValueError(f"none of {', '.join(map(repr, words))} is one token of this model: log_odds needs one")
    return ids


def schema_instruction(schema: Mapping[str, Any]) -> str:
    """The sentence that ends the prompt of `complete`.

    Constrained decoding forces an answer's form but does not tell the model of it, and not every server constrains.
    """
    text = json.dumps(schema, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return f"Answer with one JSON object that fits this JSON Schema, and with nothing else:\n{text}"


def completion(text: str | None, schema: Mapping[str, Any], usage: Usage, *, truncated: bool = False) -> Completion:
    """The answer `text` as a Completion: parsed and valid against `schema`, or with the name of what is wrong.

    A markdown fence around the whole answer is taken off. Text that cannot be stored as UTF-8, and numbers that JSON
    does not know (NaN, 1e999), are invalid_json: what leaves here can always be written to a journal and a table.
    """
    text = (text or "").encode("utf-8", "replace").decode()
    if truncated:
        return Completion(None, text, usage, "truncated")
    if not text.strip():
        return Completion(None, text, usage, "empty")
    fenced = FENCED.fullmatch(text)
    try:
        value = json.loads(fenced[1] if fenced else text)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError):  # covers JSONDecodeError, lone surrogates and integers of 5,000 digits
        return Completion(None, text, usage, "invalid_json")
    if not _validator(json.dumps(schema, sort_keys=True)).is_valid(value):
        return Completion(None, text, usage, "wrong_schema")
    return Completion(value, text, usage)


@lru_cache(maxsize=64)
def _validator(schema: str):
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(json.loads(schema))
    return Draft202012Validator(json.loads(schema))


def log_sum_exp(values: Iterable[float]) -> float:
    """log(sum(exp(v))) of finite natural logarithms, without underflow."""
    values = list(values)
    highest = max(values)
    return highest + math.log(math.fsum(math.exp(value - highest) for value in values))


def log_odds(yes: list[float], no: list[float], usage: Usage, *, floor: float | None = None, text: str = "") -> LogOdds:
    """Log-odds from the log-probabilities (natural) of the tokens that mean yes and of those that mean no.

    The tokens of a side exclude each other at one position, so their probabilities add. A side without any token stands
    at `floor`, and the answer is not exact; both lists empty, or one empty without a floor, is the caller's mistake.
    """
    log_p_yes = log_sum_exp(yes) if yes else floor
    log_p_no = log_sum_exp(no) if no else floor
    return LogOdds(log_p_yes - log_p_no, log_p_yes, log_p_no, bool(yes and no), usage, text)


def two_way(value: float, exact: bool, usage: Usage) -> LogOdds:
    """The answer of a choice between yes and no alone, with the log-odds `value`."""
    # Both log-probabilities without overflow.
    log_p_yes, log_p_no = -math.log1p(math.exp(-value)), -math.log1p(math.exp(value))
    return LogOdds(value, log_p_yes, log_p_no, exact, usage, "yes" if value > 0 else "no")
