"""What the tests of judging share: options, what lies in a folder, and a judge that answers by rule."""

import asyncio

from evaluation.judging.options import JudgingOptions
from evaluation.records import Judgement, read_lines
from models.vlm.protocol import LogOdds, Usage

PATIENT = {"retries": 0, "retry_wait_s": 0.0}


def options(server=None, **more) -> JudgingOptions:
    vlm = {"workers": 0}
    if server is not None:  # without a preflight: these tests count requests, and plan what each of them gets
        vlm = {"backend": "openai", "model": "m", "base_url": server.base_url, "max_retries": 0, "backoff_s": 0.01}
        vlm |= {"preflight": False}
    return JudgingOptions(**{"vlm": vlm, **PATIENT, **more})


def judgements(folder, name="judgements.jsonl") -> list[Judgement]:
    return list(read_lines(folder / name, Judgement))


def failures(folder) -> dict[str, str]:
    """By video and question, the kind of each failure."""
    return {f"{one.video_id} {one.question}": one.failure.split(":")[0] for one in judgements(folder) if one.failure}


class Told:
    """Answers `answers(question, times asked before)`: a number, or an exception to raise."""

    model_id = "told"

    def __init__(self, answers):
        self.answers, self.calls, self.closed = answers, [], False
        self.running = self.most = 0

    async def log_odds(self, question, media):
        number = len(self.calls)
        self.calls.append((question, media))
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.002)
        self.running -= 1
        answer = self.answers(question, number)
        if isinstance(answer, Exception):
            raise answer
        return LogOdds(answer, -1.0, -1.0, True, Usage(), "Yes")

    async def aclose(self):
        self.closed = True
