"""Any VLM with a memory: a request that was answered once is never paid for again, whatever killed the run."""

import asyncio
import hashlib
import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from models.vlm.answers import MOST_TOKENS, SLACK, answered, completion
from models.vlm.failures import INVALID_JSON, WRONG_SCHEMA
from models.vlm.protocol import VLM, Completion, LogOdds, Media, Prompt, Usage, VLMUnavailable
from models.vlm.second_try import tried_twice
from storage.journal import Journal

# Part of every key. Raise it when the layout of the messages built from the same prompt and media changes.
LAYOUT = 1
MOST_LOG_P = 1e-3  # rounding; what lies above is no probability


def request_key(
    model_id: str,
    verb: str,
    prompt: Prompt,
    media: Sequence[Media],
    schema: Mapping[str, Any] | None = None,
    **parameters: Any,
) -> str:
    """The journal's key of a request: SHA-256 (hexadecimal) of all that decides its answer, and of nothing else.

    A client's own settings (temperature, thinking) are part of its `model_id` where they are not the defaults.
    """
    request = {
        "layout": LAYOUT,
        "model_id": model_id,
        "verb": verb,
        "prompt": prompt.text,
        "media": [[type(medium).__name__, medium.sha256] for medium in media],
        "schema": schema,
        "parameters": parameters,
    }
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


class Journaled:
    """Wraps `vlm` so that answers, and the model's own failures to give an object, are kept in `journal`.

    Not kept is VLMUnavailable: failures of the transport, and of the model to say yes or no (it may be the server that
    makes it think): the next run asks again. A stored answer comes back with the tokens it cost when it was asked, so
    that a resumed run reports what an unbroken one would. Identical requests in flight at once are asked once. For one
    thread and one event loop, like the journal. `aclose` closes the wrapped VLM and leaves the journal open. Stored
    completions of which `ask_again` is true are asked anew, and replaced.

    A malformed completion is asked for once more with another seed (models/vlm/second_try.py); both tries are kept,
    each under its own key. Stored words that did not parse are read again, since parsing has become better. Stored
    log-odds without their mass have it computed from the two probabilities that stand beside them; those below the
    wrapped VLM's `min_mass`, and numbers that no model can have said, are asked anew.

    hits: requests answered from the journal; joined: from another request in flight; misses: asked of `vlm`.
    """

    def __init__(self, vlm: VLM, journal: Journal, ask_again: Callable[[Completion], bool] = lambda stored: False):
        self.vlm, self.journal, self.ask_again = vlm, journal, ask_again
        self.model_id = vlm.model_id
        self.hits = self.joined = self.misses = 0
        self._asking: dict[str, asyncio.Task] = {}
        self._waiters: dict[str, int] = {}

    async def complete(
        self,
        prompt: Prompt,
        media: Sequence[Media],
        schema: Mapping[str, Any],
        *,
        max_tokens: int,
        seed: int = 0,
    ) -> Completion:
        async def attempt(seed: int, again: bool) -> Completion:
            parameters = {"max_tokens": max_tokens, "seed": seed, **({"again": True} if again else {})}
            record = await self._once(
                request_key(self.model_id, "complete", prompt, media, schema, **parameters),
                lambda: self.vlm.complete(prompt, media, schema, **parameters),
                lambda stored: not _counted(stored["usage"]) or self.ask_again(_completion(stored, schema)),
            )
            return _completion(record, schema)

        return await tried_twice(attempt, seed)

    async def log_odds(self, question: Prompt, media: Sequence[Media]) -> LogOdds:
        key = request_key(self.model_id, "log_odds", question, media)
        record = await self._once(key, lambda: self.vlm.log_odds(question, media), lambda kept: not self._holds(kept))
        return _log_odds(record)

    async def aclose(self) -> None:
        await self.vlm.aclose()

    def _holds(self, record: dict[str, Any]) -> bool:
        """Whether stored log-odds may be believed."""
        values = [record["value"], record["log_p_yes"], record["log_p_no"]]
        if not (_counted(record["usage"]) and all(map(math.isfinite, values)) and max(values[1:]) <= MOST_LOG_P):
            return False
        if sum(map(math.exp, values[1:])) > 1.0 + SLACK:  # a floor that its server's few tokens set too high
            return False
        try:
            answered(_log_odds(record), self.vlm.min_mass)
        except VLMUnavailable:
            return False
        return True

    async def _once(
        self,
        key: str,
        ask: Callable[[], Awaitable[Completion | LogOdds]],
        again: Callable[[dict[str, Any]], bool] = lambda stored: False,
    ) -> dict[str, Any]:
        """The record of `key`: from the journal unless it is to be asked `again`, from a request in flight, or asked
        and kept."""
        record = self.journal.get(key)
        if record is not None and not again(record):
            self.hits += 1
            return record
        task = self._asking.get(key)
        if task is None:
            self.misses += 1
            task = self._asking[key] = asyncio.create_task(self._ask(key, ask))
        else:
            self.joined += 1
        self._waiters[key] = self._waiters.get(key, 0) + 1
        try:
            # Shielded, because one caller's cancellation must not take the answer from the others ...
            return await asyncio.shield(task)
        finally:
            self._waiters[key] -= 1
            if not self._waiters[key]:
                del self._waiters[key], self._asking[key]
                task.cancel()  # ... and without any caller left nobody wants it (does nothing to a finished task)

    async def _ask(self, key: str, ask: Callable[[], Awaitable[Completion | LogOdds]]) -> dict[str, Any]:
        record = asdict(await ask())
        self.journal.put(key, record)
        return record


def _completion(record: Mapping[str, Any], schema: Mapping[str, Any]) -> Completion:
    usage = Usage(**record["usage"])
    if record["error"] in (INVALID_JSON, WRONG_SCHEMA):
        read_again = completion(record["text"], schema, usage)
        if read_again.value is not None:
            return read_again
    return Completion(record["value"], record["text"], usage, record["error"])


def _log_odds(record: Mapping[str, Any]) -> LogOdds:
    """`mass`, where none is stored: both probabilities, or the one that was returned where the other is a floor."""
    odds = LogOdds(**{**record, "usage": Usage(**record["usage"])})
    if odds.mass is not None or max(odds.log_p_yes, odds.log_p_no) > MOST_LOG_P:
        return odds
    sides = sorted(map(math.exp, (odds.log_p_yes, odds.log_p_no)))
    return replace(odds, mass=min(sum(sides) if odds.exact else sides[1], 1.0))


def _counted(usage: Mapping[str, Any]) -> bool:
    """Whether tokens are numbers that a table takes."""
    return all(0 <= count <= MOST_TOKENS for count in usage.values())
