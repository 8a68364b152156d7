"""What came of the requests that a stage made in one run, over all its shards: whether the server can be believed."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from models.vlm.failures import MENDABLE
from models.vlm.protocol import VLM, Completion, VLMUnavailable

# A share is no share of a handful: below this many answers malformed ones are not held against the limit.
ENOUGH = 50


class TooManyFailures(RuntimeError):
    """The server failed for a larger share of requests than the recipe accepts."""


@dataclass
class Tally:
    """Answers so far, those that could not be used by kind, and a request that was answered (`control`)."""

    answers: int = 0
    malformed: Counter = field(default_factory=Counter)
    example: str = ""  # the last of them
    control: Callable[[VLM], Awaitable[Any]] | None = None

    def add(self, answer: Any, again: Callable[[VLM], Awaitable[Any]]) -> None:
        """Counts one answer. `again(vlm)` makes its request once more."""
        if isinstance(answer, VLMUnavailable):
            return
        self.answers += 1
        self.control = again
        if isinstance(answer, Completion) and answer.error in MENDABLE:
            self.malformed[answer.error] += 1
            self.example = f"{answer.error}: {answer.text[-200:]!r}"

    def check(self, limit: float, model_id: str) -> None:
        """Raises TooManyFailures when more than `limit` of at least ENOUGH answers could not be used."""
        count = self.malformed.total()
        if self.answers < ENOUGH or count <= limit * self.answers:
            return
        kinds = ", ".join(f"{number} {kind}" for kind, number in self.malformed.most_common())
        raise TooManyFailures(
            f"{count} of {self.answers} answers of {model_id} could not be used ({kinds}), but max_malformed_share "
            f"allows at most {limit:.0%}. The last one: {self.example}. Correct the server, its flags or the token "
            "limit (docs/vlm.md). The next run asks this shard's requests again"
        )
