"""What came of the requests that a stage made in one run, over all its shards: whether the server can be believed."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.vlm.failures import MENDABLE, TooManyMalformed
from models.vlm.protocol import VLM, Completion, VLMUnavailable
from storage.journal import Journal

# A share is no share of a handful: below this many answers malformed ones are not held against the limit ...
ENOUGH = 50
FEW = 5  # ... but if none of so many can be used, the server is wrong, however small the run


@dataclass
class Tally:
    """Answers so far, those that could not be used by kind and the journals that hold them, and a request that was
    answered (`control`)."""

    answers: int = 0
    malformed: Counter = field(default_factory=Counter)
    example: str = ""  # the last of them
    journals: set[Path] = field(default_factory=set)
    control: Callable[[VLM], Awaitable[Any]] | None = None

    def add(self, answer: Any, again: Callable[[VLM], Awaitable[Any]], journal: Path) -> None:
        """Counts one answer, which `journal` holds. `again(vlm)` makes its request once more."""
        if isinstance(answer, VLMUnavailable):
            return
        self.answers += 1
        self.control = again
        if isinstance(answer, Completion) and answer.error in MENDABLE:
            self.malformed[answer.error] += 1
            self.journals.add(journal)
            self.example = f"{answer.error}: {answer.text[-200:]!r}"

    def check(self, limit: float, model_id: str) -> None:
        """Raises TooManyMalformed when more than `limit` of at least ENOUGH answers, or all of FEW, could not be used.

        The journals forget them then, so that the next run asks again.
        """
        count = self.malformed.total()
        none = FEW <= self.answers == count
        if count <= limit * self.answers + 1e-9 or not (self.answers >= ENOUGH or none):
            return
        for path in self.journals:
            with Journal(path) as kept:
                kept.drop(lambda record: record.get("error") in MENDABLE)
        kinds = ", ".join(f"{number} {kind}" for kind, number in self.malformed.most_common())
        raise TooManyMalformed(
            f"{count} of {self.answers} answers of {model_id} could not be used ({kinds}), but max_malformed_share "
            f"allows at most {limit:.0%}. The last one: {self.example}. Correct the server, its flags or the token "
            "limit (docs/vlm.md). The next run asks these requests again"
        )
