"""How long to wait before asking a server again."""

import email.utils
import math
import time
from collections.abc import Mapping


class AttemptFailed(Exception):
    """One attempt failed. `retried` is False where asking again cannot help (a refused key, an unknown model)."""

    def __init__(self, kind: str, detail: str, retry_after_s: float | None = None, retried: bool = True):
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail, self.retry_after_s, self.retried = kind, detail, retry_after_s, retried


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait: Retry-After as seconds or as an HTTP date (RFC 9110), or retry-after-ms."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit_s
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def wait_s(attempt: int, asked_s: float | None, first_s: float, longest_s: float, chance: float) -> float:
    """Seconds to wait after `attempt` (0-based): exponential, half to all of it by `chance` in [0, 1).

    What the server asked for is a lower bound, believed up to ten times the longest wait; the jitter comes on top, so
    that clients turned away together do not come back together.
    """
    backoff = min(longest_s, first_s * 2.0 ** min(attempt, 60)) * (0.5 + 0.5 * chance)
    if asked_s is None:
        return backoff
    return min(asked_s, 10 * longest_s) + first_s * chance
