"""A judge that answers from a table, and videos to ask it about."""

import asyncio

import numpy as np

from models.vlm.protocol import LogOdds, Usage
from training.options.rewards import JudgeOptions
from training.rewards.judge import Judge
from training.rewards.judgements import Judgements

FAST = {"retry_wait_s": 0.0, "timeout_s": 20.0}


class TableVLM:
    """Answers `answers[task]`, a list of one entry a call: a number, or an exception to raise; the last one repeats."""

    model_id = "table"

    def __init__(self, answers, delay=None):
        self.answers, self.delay = answers, delay
        self.calls: list[tuple[str, str]] = []
        self.running = self.most = 0
        self.closed = False

    async def log_odds(self, question, media):
        task = question.fields["task"]
        asked = self.calls.count((question.name, task))
        self.calls.append((question.name, task))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if self.delay:
                await asyncio.sleep(self.delay(task))
        finally:
            self.running -= 1
        answer = self.answers[task][min(asked, len(self.answers[task]) - 1)]
        if isinstance(answer, Exception):
            raise answer
        return LogOdds(answer, -1.0, -1.0, True, Usage())

    async def aclose(self):
        self.closed = True


def clips(count, frames=8, size=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, frames, size, size, 3), np.uint8)


def names(count):
    return [f"[A{i}]: Go." for i in range(count)]


def judged(client, videos, tasks, **options) -> Judgements:
    with Judge(JudgeOptions(**{**FAST, **options}), client) as judge:
        return judge.submit(videos, tasks, 8.0).result()
