"""A server that answers nothing is told of in the log, a line a minute; and why attempts failed is kept for the end."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from models.vlm.retry import AttemptFailed

EVERY_S = 60.0  # without an answer, before a line and between lines
LOG = logging.getLogger("wmsd")
_NOTED: ContextVar[list[AttemptFailed] | None] = ContextVar("failed attempts", default=None)


class Silence:
    """The silence of the server `name`: `waiting` around each request, `failed` and `answered` after its attempts."""

    def __init__(self, name: str):
        self.name = name
        self._requests, self._since, self._error = 0, 0.0, "none, no request has ended"
        self._heard = self._told = False
        self._watch: asyncio.Task | None = None

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around a request, from its first attempt to its answer."""
        if not self._requests:
            self._since = time.monotonic()
            self._watch = asyncio.create_task(self._watching())
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1
            if not self._requests:
                self._watch.cancel()

    def answered(self) -> None:
        self._heard, self._since, self._error = True, time.monotonic(), "none since"

    def failed(self, error: AttemptFailed) -> None:
        """An attempt failed and will be made again. The first one of a server that never answered is told at once."""
        self._error = str(error)
        if (noted := _NOTED.get()) is not None:
            noted.append(error)
        if not self._heard and not self._told:
            LOG.warning("%s has not answered yet: %s. It is asked again", self.name, error)
            self._told = True

    async def _watching(self) -> None:
        told = self._since
        while True:
            await asyncio.sleep(max(0.0, max(told, self._since) + EVERY_S - time.monotonic()))
            silent_s = time.monotonic() - self._since
            if silent_s >= EVERY_S:
                told = time.monotonic()
                LOG.warning(
                    "%s has answered nothing for %.0f s: %d wait for it. The last error: %s",
                    self.name,
                    silent_s,
                    self._requests,
                    self._error,
                )


@contextmanager
def noting() -> Iterator[list[AttemptFailed]]:
    """A list of the attempts that fail inside and are made again: why, when the time is up, there is no answer."""
    noted: list[AttemptFailed] = []
    token = _NOTED.set(noted)
    try:
        yield noted
    finally:
        _NOTED.reset(token)


def given_up(seconds: float, noted: list[AttemptFailed]) -> tuple[str, str]:
    """(kind, detail) of a request that has no answer after `seconds`: the last attempt that failed is the cause."""
    late = f"no answer after {seconds:g} s"
    return (noted[-1].kind, f"{late}, the last attempt: {noted[-1].detail}") if noted else ("timeout", late)
