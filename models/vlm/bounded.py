"""Many requests at once, never more than wanted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

from models.vlm.protocol import VLMUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


async def map_bounded(
    function: Callable[[Item], Awaitable[Result]], items: Iterable[Item], limit: int
) -> AsyncIterator[tuple[Item, Result | VLMUnavailable]]:
    """Yields (item, result of `function`) in the order in which calls finish, at most `limit` in flight.

    A call that raises VLMUnavailable yields the exception as its result. Any other exception ends the iteration, since
    it is a mistake of the program. `items` is read only as places become free. However the iteration ends, the calls
    still in flight are cancelled and waited for; a consumer that breaks off early should hold the iterator in
    `contextlib.aclosing`, for that to happen at once. Raises ValueError for a limit under 1.
    """
    if limit < 1:
        raise ValueError(f"limit {limit}: allow at least 1 call in flight")
    waiting = iter(items)
    finished: asyncio.Queue[asyncio.Task[Result]] = asyncio.Queue()
    running: dict[asyncio.Task[Result], Item] = {}

    def start() -> None:
        for item in waiting:
            task = asyncio.ensure_future(function(item))
            running[task] = item
            task.add_done_callback(finished.put_nowait)
            return

    try:
        for _ in range(limit):
            start()
        while running:
            task = await finished.get()
            try:
                result = task.result()
            except VLMUnavailable as failure:
                result = failure
            item = running.pop(task)
            start()  # before the consumer gets its turn, so that a slow consumer does not empty the server's queue
            yield item, result
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
