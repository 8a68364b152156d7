"""What every backend does with a model's words: check an object against its schema, and weigh yes against no."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from models.vlm.failures import EMPTY, MALFORMED, NO_ANSWER, TRUNCATED
from models.vlm.json_answers import find_object
from models.vlm.protocol import Completion, LogOdds, Usage, VLMUnavailable

YES = ("yes", "Yes", " yes", " Yes", "YES")
NO = ("no", "No", " no", " No", "NO")
ONE, ZERO = ("1", " 1"), ("0", " 0")  # the same, of a question with `digits`
MOST_TOKENS = 10**8  # of one request; sums of a few fit the tables' 32 bits
LEAST_LOG_P = -9999.0  # what vLLM's server writes for a probability of 0, and so do we
SLACK = 0.01  # how far rounding may take probabilities that add up beyond 1
LEAST_REST = 1e-6  # of the probability that is left to a side which was not returned: beyond it is rounding


def model_id(backend: str, model: str, revision: str, temperature: float | None, thinking: bool | None) -> str:
    """What was asked, for every row and journal key: with the settings that are not the defaults."""
    name = f"{backend}:{model}" + (f"@{revision}" if revision != "main" else "")
    heat = ";temperature=default" if temperature is None else f";temperature={temperature:g}" if temperature else ""
    return name + heat + (";thinking" if thinking else "")


def yes_no_ids(tokenizer: Any, digits: bool = False) -> tuple[list[int], list[int]]:
    """`one_token_ids` of yes and of no, or of 1 and 0.

    Raises ValueError also where a token stands for both: the unknown one.
    """
    yes, no = (one_token_ids(tokenizer, words) for words in ((ONE, ZERO) if digits else (YES, NO)))
    if both := {*yes} & {*no}:
        raise ValueError(f"token {min(both)} of this model stands for yes and for no: its tokenizer knows neither")
    return yes, no


def one_token_ids(tokenizer: Any, words: Sequence[str]) -> list[int]:
    """The ids of those `words` that are one token. Raises ValueError when none is."""
    spelt = [tokenizer.encode(word, add_special_tokens=False) for word in words]
    ids = sorted({tokens[0] for tokens in spelt if len(tokens) == 1})
    if not ids:
        raise ValueError(f"none of {', '.join(map(repr, words))} is one token of this model, but log_odds needs one")
    return ids


def schema_instruction(schema: Mapping[str, Any]) -> str:
    """The sentence that ends the prompt of `complete`.

    Constrained decoding forces an answer's form but does not tell the model of it, and not every server constrains.
    """
    text = json.dumps(schema, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return f"Answer with one JSON object that fits this JSON Schema, and with nothing else:\n{text}"


def completion(
    text: str | None, schema: Mapping[str, Any], usage: Usage, *, truncated: bool = False, reasoning: str | None = None
) -> Completion:
    """The answer `text` as a Completion: its object, valid against `schema`, or the name of what is wrong.

    The object is found within fences, prose and thoughts (models/vlm/json_answers.py), and in the `reasoning` where
    the server put all of the answer there. What leaves here can always be written to a journal and a table: text that
    is no Unicode, and numbers that JSON does not know (NaN, 1e999), are invalid_json.
    """
    text = _stored(text) if (text or "").strip() else _stored(reasoning) or _stored(text)
    if truncated:
        return Completion(None, text, usage, TRUNCATED)
    if not text.strip():
        return Completion(None, text, usage, EMPTY)
    value, error = find_object(text, _validator(json.dumps(schema, sort_keys=True)).is_valid)
    return Completion(value, text, usage, error)


def _stored(text: str | None) -> str:
    return (text or "").encode("utf-8", "replace").decode()


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
    at `floor`, or at what the other side leaves of the probability if that is less, and the answer is not exact; both
    lists empty, or one empty without a floor, is the caller's mistake.
    A probability of 0 (-inf) counts as LEAST_LOG_P. Raises VLMUnavailable, `malformed`, for NaN: a model whose numbers
    overflow says nothing.
    """
    if any(map(math.isnan, (*yes, *no))):
        raise VLMUnavailable(MALFORMED, "a log-probability of yes or no is NaN", text)
    yes, no = ([max(value, LEAST_LOG_P) for value in side] for side in (yes, no))
    mass = math.fsum(map(math.exp, (*yes, *no)))
    if floor is not None:  # a server that returns its likeliest token alone has that one for a floor
        floor = min(floor, math.log(max(1.0 - mass, LEAST_REST)))
    log_p_yes = log_sum_exp(yes) if yes else floor
    log_p_no = log_sum_exp(no) if no else floor
    return LogOdds(log_p_yes - log_p_no, log_p_yes, log_p_no, bool(yes and no), usage, text, mass)


def answered(odds: LogOdds, min_mass: float) -> LogOdds:
    """`odds` when the model is about to say yes or no. Every backend's answer passes here.

    Raises VLMUnavailable: `no_answer` when yes and no together have less than `min_mass` of the probability, since
    their ratio then says nothing, and `malformed` when they have more than all of it.
    """
    if odds.mass is None or min_mass <= odds.mass <= 1.0:
        return odds
    if odds.mass > 1.0 + SLACK:
        raise VLMUnavailable(MALFORMED, f"the probabilities of yes and no add up to {odds.mass:.3g}", odds.text)
    if odds.mass > 1.0:
        return replace(odds, mass=1.0)
    raise no_answer(odds.mass, min_mass, f"it says {odds.text[:100]!r}" if odds.text else "", odds.text)


def no_answer(mass: float, min_mass: float, said: str, text: str = "") -> VLMUnavailable:
    """The failure of a model that is about to say neither yes nor no."""
    return VLMUnavailable(
        NO_ANSWER,
        f"neither yes nor no: together they have {mass:.2g} of the probability, at least {min_mass:g} is expected "
        f"(min_mass){'; ' if said else ''}{said}: is the model's thinking on, or does it refuse?",
        text,
        mass,
    )


def two_way(value: float, exact: bool, usage: Usage, mass: float | None = 1.0) -> LogOdds:
    """The answer of a choice between yes and no alone, with the log-odds `value`."""
    # Both log-probabilities without overflow.
    log_p_yes, log_p_no = -math.log1p(math.exp(-value)), -math.log1p(math.exp(value))
    return LogOdds(value, log_p_yes, log_p_no, exact, usage, "yes" if value > 0 else "no", mass)
