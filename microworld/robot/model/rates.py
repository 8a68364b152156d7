"""Learning rates over the steps of a training, and a line about it now and then."""

import math
import sys
import time

WARM = 50  # steps in which the rate rises


def cosine(step: int, steps: int, highest: float) -> float:
    """Up to `highest` in WARM steps, and on a cosine down to 1 % of it."""
    fall = 0.5 + 0.5 * math.cos(math.pi * step / steps)
    return highest * min(1.0, (step + 1) / WARM) * (0.01 + 0.99 * fall)


def say(what: str, step: int, steps: int, losses: list[float], start: float) -> None:
    """A line every 25 steps: the mean loss of these, and the seconds since `start`."""
    if step % 25 == 24:
        mean = sum(losses[-25:]) / 25
        print(
            f"{what} {step + 1}/{steps}: loss {mean:.5f}, {time.perf_counter() - start:.0f} s",
            file=sys.stderr,
            flush=True,
        )
