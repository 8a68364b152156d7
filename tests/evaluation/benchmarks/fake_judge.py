"""A judge that keeps what it was asked and answers by rule."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from models.vlm.protocol import Completion, LogOdds, Media, Prompt, Usage, VLMUnavailable


class FakeJudge:
    """Implements models.vlm.protocol.VLM. `rule` (prompt) -> log-odds, or an exception to raise."""

    model_id = "fake/judge-1"

    def __init__(self, rule: Callable[[Prompt], float | Exception] = lambda prompt: 1.0):
        self.rule = rule
        self.asked: list[tuple[Prompt, tuple[Media, ...]]] = []

    async def log_odds(self, question: Prompt, media: Sequence[Media]) -> LogOdds:
        self.asked.append((question, tuple(media)))
        value = self.rule(question)
        if isinstance(value, Exception):
            raise value
        return LogOdds(value, -0.1, -0.1 - value, True, Usage(10, 1), "yes" if value > 0 else "no")

    async def complete(
        self, prompt: Prompt, media: Sequence[Media], schema: Mapping[str, Any], *, max_tokens: int, seed: int = 0
    ) -> Completion:
        self.asked.append((prompt, tuple(media)))
        value = self.rule(prompt)
        if isinstance(value, VLMUnavailable):
            raise value
        if isinstance(value, str):
            return Completion(None, value, Usage(), "refused")
        return Completion({"task": f"Sort the things. {value:g}"}, "{}", Usage(10, 5))

    async def aclose(self) -> None:
        pass
