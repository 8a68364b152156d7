"""Asking the VLM about many frames: bounded in flight, journaled, and loud when too many answers fail."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from assets.schemas import FRAME
from models.vlm.gather import map_bounded
from models.vlm.journaled import Journaled
from models.vlm.protocol import VLM, Image, VLMUnavailable
from storage.files import confined
from storage.journal import Journal

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

    Answers already in `journal` are not asked again. Raises TooManyFailures when more than `max_failed_share` of the
    items got none: then the server is at fault, what was answered stays in the journal, and no table is written.
    """
    items = list(items)
    answers = asyncio.run(_ask_all(items, ask, vlm, journal, concurrency))
    failures = [answer for answer in answers if isinstance(answer, VLMUnavailable)]
    if len(failures) > max_failed_share * len(items):
        raise TooManyFailures(
            f"{len(failures)} of {len(items)} requests to {vlm.model_id} had no answer (max_failed_share is "
            f"{max_failed_share}); the first: {failures[0]}. Answers so far are kept: run again when the server is well"
        )
    return list(zip(items, answers, strict=True))


async def _ask_all(items: list[dict], ask, vlm: VLM, journal: Path, concurrency: int) -> list[Any]:
    answers: list[Any] = [None] * len(items)
    try:
        with Journal(journal) as kept:
            journaled = Journaled(vlm, kept)

            async def ask_one(index: int) -> Any:
                return await ask(journaled, items[index])

            async for index, answer in map_bounded(ask_one, range(len(items)), concurrency):
                answers[index] = answer
    finally:
        await vlm.aclose()
    return answers


def frame_image(row: dict, folder: Path) -> Image:
    """The JPEG of a frame's row, read from the collection's folder."""
    return Image(confined(folder, row["image"]).read_bytes())


def carried(row: dict) -> dict:
    """The columns that identify a frame, for the next stage's row."""
    return {name: row[name] for name in CARRIED}
