"""Asking a VLM about many items: bounded in flight, journaled, and loud when too many answers fail."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from models.vlm.bounded import map_bounded
from models.vlm.failures import NO_LOGPROBS, SERVER, NoLogProbabilities, TooManyFailures, bearable
from models.vlm.journaled import Journaled
from models.vlm.protocol import VLM, VLMUnavailable
from models.vlm.tally import Tally
from storage.journal import Journal

Ask = Callable[[VLM, dict], Awaitable[Any]]


class VLMSession:
    """One client, one event loop and one tally for all shards of a run. Weights are loaded when a shard has to ask."""

    def __init__(self, build: Callable[[], VLM]):
        self._build = build
        self.tally = Tally()
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
    ask: Ask,
    vlm: VLM,
    journal: Path,
    concurrency: int,
    max_failed_share: float,
    run: Callable[[Coroutine], Any] = asyncio.run,
    *,
    max_malformed_share: float = 1.0,
    tally: Tally | None = None,
) -> list[tuple[dict, Any]]:
    """(item, answer) for each item, in the order given; an answer is what `ask` returned or a VLMUnavailable.

    Answers already in `journal` are not asked again. Raises TooManyFailures, and then no table is written and what was
    answered stays in the journal:

    - as soon as more than `max_failed_share` of the items, and more than one, got no answer;
    - at the first answer without log-probabilities (NoLogProbabilities), unless the server has answered before;
    - when none of the items got one, however few they are, unless each is itself at fault and the server answered
      others in this run;
    - when more than `max_malformed_share` of the answers of `tally` cannot be used (TooManyMalformed): the journals of
      these answers then forget them.

    A request that the server refuses (HTTP 4xx) is asked once more at the end. It is at fault itself only if the server
    still answers others: where it does not, the kind is SERVER, and the next run asks again.

    `run` runs a coroutine to its end: that of a VLMSession where several shards share a client; `tally` is then the
    session's.
    """
    items = list(items)
    tally = tally or Tally()
    allowed = bearable(max_failed_share, len(items))
    answers = run(_ask_all(items, ask, vlm, journal, concurrency, allowed, max_malformed_share, tally))
    return list(zip(items, answers, strict=True))


async def _ask_all(
    items: list[dict], ask: Ask, vlm: VLM, path: Path, concurrency: int, allowed: int, malformed: float, tally: Tally
) -> list[Any]:
    answers: list[Any] = [None] * len(items)
    failed = 0
    with Journal(path) as kept:
        journaled = Journaled(vlm, kept)

        async def ask_one(index: int) -> Any:
            return await ask(journaled, items[index])

        async with aclosing(map_bounded(ask_one, range(len(items)), concurrency)) as finished:
            async for index, answer in finished:
                answers[index] = answer
                tally.add(answer, lambda client, item=items[index]: ask(client, item), path)
                if isinstance(answer, VLMUnavailable) and answer.kind == NO_LOGPROBS and not tally.answers:
                    raise NoLogProbabilities(
                        f"none of the {len(items)} requests to {vlm.model_id} can be answered; the first: {answer}"
                    )
                failed += isinstance(answer, VLMUnavailable)
                if failed > allowed:
                    raise TooManyFailures(
                        f"{failed} of {len(items)} requests to {vlm.model_id} got no answer, but max_failed_share "
                        f"allows at most {allowed}. The last error: {answer}. Answers so far are kept: run again when "
                        "the server works"
                    )
        await _ask_refused_again(answers, items, ask, journaled, tally)
    _refuse_none(answers, vlm, tally)
    tally.check(malformed, vlm.model_id)
    return answers


def _refuse_none(answers: list[Any], vlm: VLM, tally: Tally) -> None:
    """Raises TooManyFailures where nothing was answered, unless each item itself is at fault.

    It can only be where the server answered others in this run: one that refuses everything, or thinks aloud before
    every yes or no, is not told from a single odd picture by that picture.
    """
    if not answers or not all(isinstance(answer, VLMUnavailable) for answer in answers):
        return
    odd = all(answer.final or answer.rejected for answer in answers)
    if odd and tally.control is not None:
        return
    told = ". If the server is right and these pictures are odd, run them together with others" if odd else ""
    raise TooManyFailures(
        f"none of the {len(answers)} requests to {vlm.model_id} had an answer. The last error: {answers[-1]}. Run "
        f"again when the server works{told}"
    )


async def _ask_refused_again(answers: list[Any], items: list[dict], ask: Ask, vlm: Journaled, tally: Tally) -> None:
    """Decides refused requests (4xx) in `answers`, once the server has answered `tally.control` again, or has not."""
    refused = [index for index, answer in enumerate(answers) if isinstance(answer, VLMUnavailable) and answer.rejected]
    if not refused or tally.control is None:
        return
    try:
        await tally.control(vlm.vlm)  # past the journal
        ill = None
    except VLMUnavailable as error:
        ill = error
    for index in refused:
        if ill is not None:
            told = f"{answers[index]}; a request that it had answered before failed too: {ill}"
            answers[index] = VLMUnavailable(SERVER, told)
            continue
        try:
            answers[index] = await ask(vlm, items[index])
        except VLMUnavailable as error:
            answers[index] = error
