"""Yes/no questions about videos, asked until answered or patience ends: in training and in evaluation alike."""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, field_validator

from models.vlm.failures import MALFORMED, NO_LOGPROBS
from models.vlm.options import VLMOptions
from models.vlm.prompts import prompt
from models.vlm.protocol import VLM, LogOdds, Media, Prompt, VLMUnavailable
from models.vlm.questions import NAMES, SCORED, by_name
from models.vlm.silence import given_up, noting
from storage.options import Options

QuestionName = Literal[*NAMES]


class Patience(Options):
    """Who judges videos, and how patiently it is asked. Unknown names are errors."""

    vlm: VLMOptions = Field(default_factory=VLMOptions, description="The model that judges.")
    concurrency: int = Field(32, ge=1, le=4096, description="Most requests in flight at once.")
    timeout_s: float = Field(300.0, gt=0, le=7200, description="Seconds for one attempt at a request.")
    retries: int = Field(2, ge=0, le=50, description="More attempts after a request failed.")
    retry_wait_s: float = Field(1.0, ge=0, le=600, description="Seconds before the second attempt. Doubles each time.")

    @property
    def client(self) -> VLMOptions:
        """`vlm` with as many places: a request that waits for one in the client would be on its time limit already."""
        return self.vlm.model_copy(update={"concurrency": self.concurrency})


class AskOptions(Patience):
    """Who judges videos, what is asked, and how patiently. Unknown names are errors."""

    questions: tuple[QuestionName, ...] = Field(
        NAMES, min_length=1, description="Questions asked about each video, one request each."
    )
    frames: int = Field(8, ge=2, le=256, description="Evenly spaced frames that the judge sees, from first to last.")
    image_format: Literal["png", "jpeg"] = Field("png", description="Format of the frames sent. png is lossless.")

    @field_validator("questions")
    @classmethod
    def _asked_once(cls, value: tuple[QuestionName, ...]) -> tuple[QuestionName, ...]:
        if len(set(value)) != len(value):
            raise ValueError(f"questions {list(value)}: give each of them once")
        return value


@dataclass(frozen=True)
class Asked:
    """What came of a question: an answer with finite log-odds after `attempts`, or None and the last failure."""

    answer: LogOdds | None
    attempts: int
    failure: VLMUnavailable | None = None


def judge_prompt(question: QuestionName, task: str, variant: int = SCORED) -> Prompt:
    """The judge's question about a video of task T, in the wording `variant`. Raises ValueError when there is none."""
    return prompt(by_name(question).prompt, variant, task=task)


async def ask(
    vlm: VLM,
    question: Prompt,
    media: Sequence[Media],
    slots: asyncio.Semaphore,
    options: Patience,
    stopped: Callable[[], str] = lambda: "",
) -> Asked:
    """Asks while the transport fails, at most `options.retries` more times, each within `options.timeout_s`.

    A place of `slots` is held by each attempt and free while it waits for the next. A failure of the model's own (it
    refuses, it says neither yes nor no) is final, and a server without log-probabilities stays one; log-odds that are
    no finite number are asked for again. Once `stopped` gives a reason, nothing more is sent.
    """
    failure, attempt = None, 0
    for attempt in range(options.retries + 1):
        if attempt:
            await asyncio.sleep(options.retry_wait_s * 2 ** (attempt - 1))
        async with slots:
            if why := stopped():
                return Asked(None, attempt, failure or VLMUnavailable("unavailable", f"not asked, since {why}"))
            try:
                with noting() as noted:
                    async with asyncio.timeout(options.timeout_s):
                        answer = await vlm.log_odds(question, media)
            except VLMUnavailable as error:
                failure = error
                if error.final or error.kind == NO_LOGPROBS:
                    break
                continue
            except TimeoutError:
                failure = VLMUnavailable(*given_up(options.timeout_s, noted))
                continue
        if math.isfinite(answer.value):
            return Asked(answer, attempt + 1)
        failure = VLMUnavailable(MALFORMED, f"the log-odds {answer.value} are not a finite number", answer.text)
    return Asked(None, attempt + 1, failure)
