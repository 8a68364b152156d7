"""One more try where another seed may mend an answer: what is cut, empty, no JSON or not what was asked for."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from models.vlm.failures import MENDABLE
from models.vlm.protocol import Completion

# A greedy model gives the same words for any seed, so a second try is sampled at least at this temperature.
TEMPERATURE = 0.7


async def tried_twice(ask: Callable[[int, bool], Awaitable[Completion]], seed: int) -> Completion:
    """The answer of ask(seed, False), or where that is malformed the one of ask(seed + 1, True), if it is better.

    Its tokens are those of both. A second try that the transport fails raises VLMUnavailable: it is still to be had.
    """
    first = await ask(seed, False)
    if first.error not in MENDABLE:
        return first
    second = await ask(seed + 1, True)
    return replace(first if second.error in MENDABLE else second, usage=first.usage + second.usage)


def temperature_of(own: float | None, again: bool) -> float | None:
    """The temperature of a try; None sends none."""
    return max(own, TEMPERATURE) if again and own is not None else own
