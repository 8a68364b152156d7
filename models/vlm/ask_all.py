"""Asking a VLM about many items: bounded in flight, journaled, and loud when too many answers fail."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from models.vlm.bounded import map_bounded
from models.vlm.journaled import Journaled
from models.vlm.protocol import VLM, VLMUnavailable
from storage.journal import Journal


class TooManyFailures(RuntimeError):
    """The server failed for a larger share of requests than the recipe accepts."""


class VLMSession:
    """One client and one event loop for all shards of a run. Weights are loaded when the first shard has to ask."""

    def __init__(self, build: Callable[[], VLM]):
        self._build = build
        self._runner = asyncio.Runner()
        self._client: VLM | None = None

    @property
    def client(self) -> VLM:
        self._client = self._client or self._build()
        return self._client

    def run(self, coroutine: Coroutine) -> Any:
        return self._runner.run(coroutine)

    def __enter__(self) -> "VLMSession":
        return self

    def __exit__(self, *_) -> None:
        if self._client is not None:
            self.run(self._client.aclose())
        self._runner.close()


def ask_all(
    items: Iterable[dict],
    ask: Callable[[VLM, dict], Awaitable[Any]],
    vlm: VLM,
    journal: Path,
    concurrency: int,
    max_failed_share: float,
    run: Callable[[Coroutine], Any] = asyncio.run,
) -> list[tuple[dict, Any]]:
    """(item, answer) for each item, in the order given; an answer is what `ask` returned or a VLMUnavailable.

    Answers already in `journal` are not asked again. Raises TooManyFailures as soon as more than `max_failed_share` of
    the items, and more than one, got none: then the server is at fault, what was answered stays in the journal, and no
    table is written. `run` runs a coroutine to its end: that of a VLMSession where several shards share a client.
    """
    items = list(items)
    allowed = max(1, int(max_failed_share * len(items)))
    return list(zip(items, run(_ask_all(items, ask, vlm, journal, concurrency, allowed)), strict=True))


async def _ask_all(items: list[dict], ask, vlm: VLM, journal: Path, concurrency: int, allowed: int) -> list[Any]:
    answers: list[Any] = [None] * len(items)
    failed = 0
    with Journal(journal) as kept:
        journaled = Journaled(vlm, kept)

        async def ask_one(index: int) -> Any:
            return await ask(journaled, items[index])

        async with aclosing(map_bounded(ask_one, range(len(items)), concurrency)) as finished:
            async for index, answer in finished:
                answers[index] = answer
                failed += isinstance(answer, VLMUnavailable)
                if failed > allowed:
                    raise TooManyFailures(
                        f"{failed} of {len(items)} requests to {vlm.model_id} had no answer, at most {allowed} are "
                        f"accepted (max_failed_share); the last: {answer}. Answers so far are kept: run again when the "
                        "server is well"
                    )
    return answers
