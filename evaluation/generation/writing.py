"""Solutions that a VLM writes from the first frame and T: the conditioning `vlm`.

Answers are kept in the run's journal with the time they took, so that a killed run pays for nothing twice and reports
what an unbroken one would.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evaluation.generation.options import WriterOptions
from microworld.vlm import build_vlm
from models.vlm.bounded import map_bounded
from models.vlm.failures import TooManyFailures, bearable
from models.vlm.journaled import request_key
from models.vlm.options import VLMOptions
from models.vlm.prompts import prompt, template_hash
from models.vlm.protocol import VLM, Image, VLMUnavailable
from models.vlm.second_try import tried_twice
from storage.journal import Journal

PROMPT, VERSION = "solution", 1
MOST_TEXT = 200  # characters of a failed answer that are kept
SCHEMA = {
    "type": "object",
    "properties": {"solution": {"type": "string", "minLength": 1, "maxLength": 4000}},
    "required": ["solution"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Solution:
    """What the VLM wrote, or why it did not; `seconds` its share of the time in which requests were under way."""

    text: str = ""
    seconds: float = 0.0
    failure: str = ""


class Shares:
    """Wall time shared out among what is under way: the shares of all add up to the time that anything was."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self._clock, self._last = clock, 0.0
        self._running: dict[object, float] = {}

    def begin(self) -> object:
        self._share_out()
        token = object()
        self._running[token] = 0.0
        return token

    def end(self, token: object) -> float:
        """The share in seconds of what began with `token`."""
        self._share_out()
        return self._running.pop(token)

    def _share_out(self) -> None:
        now = self._clock()
        for token in self._running:
            self._running[token] += (now - self._last) / len(self._running)
        self._last = now


def decides(writer: WriterOptions) -> dict[str, Any]:
    """What decides the solutions, as JSON, for the run's record and the journal's keys."""
    prompt_id = f"{PROMPT}.v{VERSION}:{template_hash(PROMPT, VERSION)}"
    return {"vlm": writer.vlm.decisive(), "prompt": prompt_id, "max_tokens": writer.max_tokens}


def write_solutions(
    asked: Mapping[str, tuple[str, Path]],
    writer: WriterOptions,
    journal: Journal,
    build: Callable[[VLMOptions], VLM] = build_vlm,
) -> dict[str, Solution]:
    """id -> Solution for each id -> (T, image file). The VLM is built when there is something to ask, and closed.

    The model's own failures (refused, truncated ...) are kept, and asked again with `ask_failed_again` alone; requests
    that the transport failed are asked again by the next call. Raises TooManyFailures when these are more than
    `max_failed_share` of all and more than one.
    """
    found, missing = {}, {}
    for name, (task, path) in asked.items():
        request = _Request(task, path, writer)
        kept = journal.get(request.key)
        if kept is None or (kept["failure"] and writer.ask_failed_again):
            missing[name] = request
        else:
            found[name] = Solution(**kept)
    if missing:
        with asyncio.Runner() as runner:
            allowed = bearable(writer.max_failed_share, len(asked))
            found |= runner.run(_ask_all(missing, writer, build, journal, allowed))
    return found


class _Request:
    """A question about an image, without its bytes: many wait."""

    def __init__(self, task: str, path: Path, writer: WriterOptions):
        self.prompt, self.path = prompt(PROMPT, VERSION, task=task), path
        key = request_key(json.dumps(decides(writer), sort_keys=True), "complete", self.prompt, [self.image], SCHEMA)
        self.key = f"solution/{key}"

    @property
    def image(self) -> Image:
        return Image(self.path.read_bytes())


async def _ask_all(
    missing: Mapping[str, _Request], writer: WriterOptions, build: Callable, journal: Journal, allowed: int
) -> dict[str, Solution]:
    vlm, shares, found, unanswered = build(writer.vlm), Shares(), {}, 0

    async def ask(name: str) -> Solution:
        request, began = missing[name], shares.begin()
        try:
            answer = await tried_twice(
                lambda seed, again: vlm.complete(
                    request.prompt,
                    [request.image],
                    SCHEMA,
                    max_tokens=writer.max_tokens,
                    **({"seed": seed, "again": True} if again else {}),
                ),
                0,
            )
        finally:
            seconds = shares.end(began)
        text = " ".join(answer.value["solution"].split()) if answer.value else ""
        error = answer.error or ("" if text else "empty")
        solution = Solution(text, seconds, f"vlm_{error}: {answer.text[:MOST_TEXT]}" if error else "")
        journal.put(request.key, asdict(solution))
        return solution

    try:
        async with aclosing(map_bounded(ask, missing, writer.vlm.concurrency)) as answers:
            async for name, answer in answers:
                if not isinstance(answer, VLMUnavailable):
                    found[name] = answer
                    continue
                found[name] = Solution(failure=f"vlm_unavailable: {answer}")
                unanswered += 1
                if unanswered > allowed:
                    raise TooManyFailures(
                        f"{unanswered} requests for solutions got no answer, but writer.max_failed_share allows at "
                        f"most {allowed}. The last error: {answer}. Answers so far are kept"
                    )
    finally:
        await vlm.aclose()
    return found
