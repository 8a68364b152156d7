"""Asking the VLM about many frames: bounded in flight, journaled, and loud when too many answers fail."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from assets.schemas import FRAME, UNFINISHED
from models.vlm.gather import map_bounded
from models.vlm.journaled import Journaled
from models.vlm.protocol import VLM, Image, VLMUnavailable
from storage.files import confined
from storage.journal import Journal


class AskOptions(BaseModel):
    """What every stage that asks the VLM can set."""

    model_config = ConfigDict(extra="forbid")

    prompt_version: int | None = Field(None, ge=1, description="Version of the prompt file; the newest when not given.")
    max_failed_share: float = Field(
        0.03, ge=0, le=1, description="Share of requests that may go unanswered before the stage fails."
    )


CARRIED = [*(name for name, _ in FRAME), "phash"]


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


# The request itself was refused or led nowhere: asking again as it is gives the same.
FINAL = frozenset(("no_answer", "no_logprobs", "http_400", "http_413", "http_422"))


def failure_reason(error: VLMUnavailable) -> str:
    """The reason of a row without an answer: `vlm_unavailable`, which the next run asks again, or a final one."""
    return f"vlm_{error.kind}" if error.kind in FINAL else UNFINISHED


def exactly(count: int, name: str, properties: dict[str, dict]) -> dict:
    """JSON Schema of {name: [...]} with exactly `count` objects that have all of `properties` and nothing else."""
    item = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    items = {"type": "array", "items": item, "minItems": count, "maxItems": count}
    return {"type": "object", "properties": {name: items}, "required": [name], "additionalProperties": False}


def frame_image(row: dict, folder: Path) -> Image:
    """The JPEG of a frame's row, read from the collection's folder."""
    return Image(confined(folder, row["image"]).read_bytes())


def carried(row: dict) -> dict:
    """The columns that identify a frame, for the next stage's row."""
    return {name: row[name] for name in CARRIED}
