"""Asking the VLM about many frames: bounded in flight, journaled, and loud when too many answers fail."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from assets.schemas import FRAME
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


def ask_all(
    items: Iterable[dict],
    ask: Callable[[VLM, dict], Awaitable[Any]],
    vlm: VLM,
    journal: Path,
    concurrency: int,
    max_failed_share: float,
) -> list[tuple[dict, Any]]:
    """(item, answer) for each item, in the order given; an answer is what `ask` returned or a VLMUnavailable.

    Answers already in `journal` are not asked again. Raises TooManyFailures as soon as more than `max_failed_share` of
    the items got none: then the server is at fault, what was answered stays in the journal, and no table is written.
    """
    items = list(items)
    allowed = max_failed_share * len(items)
    return list(zip(items, asyncio.run(_ask_all(items, ask, vlm, journal, concurrency, allowed)), strict=True))


async def _ask_all(items: list[dict], ask, vlm: VLM, journal: Path, concurrency: int, allowed: float) -> list[Any]:
    answers: list[Any] = [None] * len(items)
    failed = 0
    try:
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
                            f"{failed} of {len(items)} requests to {vlm.model_id} had no answer, at most "
                            f"{int(allowed)} are accepted (max_failed_share); the last: {answer}. Answers so far are "
                            "kept: run again when the server is well"
                        )
    finally:
        await vlm.aclose()
    return answers


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
