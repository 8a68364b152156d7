"""Time limits that end by what happened, so that no test depends on how busy the machine is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace

from models.vlm import silence

LIMIT_S = 60  # only for a test that hangs


async def until(condition: Callable[[], object]) -> None:
    """Returns when `condition` holds. Raises TimeoutError for one that never does."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.01)


def end_by(monkeypatch, module, condition: Callable[[list], object] = bool) -> None:
    """The time limits of `module` are over when `condition` holds of the failed attempts that were noted; not before,
    whatever they say. As it stands: at the first one."""

    @asynccontextmanager
    async def limit(_: float) -> AsyncIterator[None]:
        noted = silence._NOTED.get()

        async def end() -> None:
            await until(lambda: condition(noted))
            inside.reschedule(asyncio.get_running_loop().time())

        async with asyncio.timeout(None) as inside:
            ending = asyncio.create_task(end())
            try:
                yield
            finally:
                ending.cancel()

    monkeypatch.setattr(module, "asyncio", SimpleNamespace(**{**vars(asyncio), "timeout": limit}))
