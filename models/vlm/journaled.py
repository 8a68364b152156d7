"""Any VLM with a memory: a request that was answered once is never paid for again, whatever killed the run."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from models.vlm.protocol import VLM, Completion, LogOdds, Media, Prompt, Usage
from storage.journal import Journal

# Part of every key. Raise it when the layout of the messages built from the same prompt and media changes.
LAYOUT = 1


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
    """Wraps `vlm` so that final answers, the model's own failures among them, are kept in `journal`.

    Failures of the transport (VLMUnavailable) are not kept: the next run asks again. A stored answer comes back with
    the tokens it cost when it was asked, so that a resumed run reports what an unbroken one would. Identical requests
    in flight at once are asked once. For one thread and one event loop, like the journal. `aclose` closes the wrapped
    VLM and leaves the journal open. Stored completions of which `ask_again` is true are asked anew, and replaced.

    hits: requests answered from the journal; joined: from another request in flight; misses: asked of `vlm`.
    """

    def __init__(self, vlm: VLM, journal: Journal, ask_again: Callable[[Completion], bool] = lambda stored: False):
        self.vlm, self.journal, self.ask_again = vlm, journal, ask_again
        self.model_id = vlm.model_id
        self.hits = self.joined = self.misses = 0
        self._asking: dict[str, asyncio.Task] = {}
        self._waiters: dict[str, int] = {}

    async def complete(
        self, prompt: Prompt, media: Sequence[Media], schema: Mapping[str, Any], *, max_tokens: int, seed: int = 0
    ) -> Completion:
        key = request_key(self.model_id, "complete", prompt, media, schema, max_tokens=max_tokens, seed=seed)
        record = await self._once(
            key,
            lambda: self.vlm.complete(prompt, media, schema, max_tokens=max_tokens, seed=seed),
            lambda stored: self.ask_again(_completion(stored)),
        )
        return _completion(record)

    async def log_odds(self, question: Prompt, media: Sequence[Media]) -> LogOdds:
        key = request_key(self.model_id, "log_odds", question, media)
        record = await self._once(key, lambda: self.vlm.log_odds(question, media))
        return LogOdds(**{**record, "usage": Usage(**record["usage"])})

    async def aclose(self) -> None:
        await self.vlm.aclose()

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


def _completion(record: Mapping[str, Any]) -> Completion:
    return Completion(record["value"], record["text"], Usage(**record["usage"]), record["error"])
