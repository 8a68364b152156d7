"""Yes/no questions about videos before a VLM, several at once; final answers are journaled.

A video is decoded only when something is to be asked about it; once the judge is gone, nothing is decoded or asked.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from evaluation.judging.looking import Undecodable, verified
from evaluation.judging.options import VideoJudgeOptions
from evaluation.records import Judgement, VideoRecord
from models.vlm.answers import SLACK
from models.vlm.asking import ask
from models.vlm.failures import MALFORMED, NO_ANSWER, NO_LOGPROBS, REFUSED
from models.vlm.journaled import request_key
from models.vlm.protocol import VLM, Media, Prompt, VLMUnavailable
from storage.journal import Journal

# A failure's kind -> how judgements name it; others are "unavailable".
KINDS = {NO_ANSWER: MALFORMED, NO_LOGPROBS: MALFORMED} | {kind: kind for kind in (MALFORMED, REFUSED, "timeout")}
LONGEST = 2000  # characters of a text that is kept
MOST = 1e5  # nats: beyond any log-odds of a model


class JudgeGone(RuntimeError):
    """The judge stopped answering; what it had answered is written, and the rest marked as failed."""


class Look(Protocol):
    """Which frames of a video are shown, known before anything is decoded. `sha256` stands for the pictures in keys."""

    indices: tuple[int, ...]
    times_s: tuple[float, ...]
    sha256: str


@dataclass
class Counts:
    """What a judging came to: requests made, answers found in the journal, and those found there without a mass."""

    asked: int = 0
    known: int = 0
    unknown: int = 0


# (video's file, its record, looks; None where nothing is to be shown) -> the media of each. Raises Undecodable.
Show = Callable[[Path, VideoRecord, Sequence[Look | None]], Sequence[Sequence[Media]]]


class VideoJudge:
    """Judges videos as `judge`. `failed` counts failed judgements; `gone` is why nothing more is asked.

    Journaled are answers with their mass, and refusals. An answer below the `min_mass` of the options is none, and is
    asked for in every judging: the server may have been told to think. An answer from before masses were kept is asked
    for again too; where that leads to nothing, it stays, its mass unknown.

    `options` are its patience and how many requests may be in flight (asyncio.Semaphore: make it within the loop).
    Files are read and decoded in `threads`; None: asyncio's own.
    """

    def __init__(
        self,
        vlm: VLM,
        judge: str,
        options: VideoJudgeOptions,
        threads: Executor | None = None,
        ask_failed_again: bool = False,
    ):
        self.vlm, self.judge, self.options, self.threads = vlm, judge, options, threads
        self.ask_failed_again = ask_failed_again
        self.slots = asyncio.Semaphore(options.concurrency)
        self.failed = self.unanswered = 0
        self.gone = ""

    def raise_when_gone(self) -> None:
        """Raises JudgeGone when the judge stopped answering."""
        if self.gone:
            raise JudgeGone(self.gone)

    async def judge_video(
        self,
        folder: Path,
        journal: Journal,
        record: VideoRecord,
        asked: Sequence[tuple[str, Prompt]],
        look: Callable[[str], Look],
        show: Show,
        counts: Counts,
    ) -> list[Judgement]:
        """A judgement for each (question, prompt) about a video of the run in `folder`.

        `look` says how the video is looked at for a question; it raises Undecodable where there is nothing to look at.
        """
        made = [
            Judgement(
                record.video_id,
                record.sample_id,
                question,
                prompt.version,
                self.judge,
                prompt.template_hash,
                record.sha256,
            )
            for question, prompt in asked
        ]
        try:
            looks = [look(question) for question, _ in asked]
            path = await self._in_thread(verified, folder, record)
            made = [replace(one, frames=o.indices, times_s=o.times_s) for one, o in zip(made, looks, strict=True)]
            keys = [
                request_key(self.vlm.model_id, "judge", prompt, [one])
                for (_, prompt), one in zip(asked, looks, strict=True)
            ]
            found = [self._kept(journal, key) for key in keys]
            wanted = [None if kept and _whole(kept) else one for kept, one in zip(found, looks, strict=True)]
            media = await self._in_thread(self._shown, show, path, record, wanted)
        except Undecodable as error:
            self.failed += len(made)
            return [replace(one, failure=clean(f"undecodable: {error}")) for one in made]
        counts.known += sum(_whole(kept) for kept in found if kept)
        counts.unknown += sum(not _whole(kept) for kept in found if kept)
        answers = await asyncio.gather(
            *(
                self._answer(journal, key, kept, prompt, shown, counts)
                for key, kept, (_, prompt), shown in zip(keys, found, asked, media, strict=True)
            )
        )
        self.failed += sum("failure" in answer for answer in answers)
        return [replace(one, **answer) for one, answer in zip(made, answers, strict=True)]

    def _shown(self, show: Show, path: Path, record: VideoRecord, wanted: Sequence[Look | None]) -> Sequence:
        return show(path, record, wanted) if any(wanted) and not self.gone else [()] * len(wanted)

    async def _answer(
        self,
        journal: Journal,
        key: str,
        kept: dict[str, Any] | None,
        prompt: Prompt,
        media: Sequence[Media],
        counts: Counts,
    ) -> dict[str, Any]:
        """The fields of a judgement that the judge decides, journaled when they are final."""
        if kept and _whole(kept):
            return kept
        if self.gone:
            return kept or {"failure": clean(f"unavailable: not asked, since {self._why_gone()}")}
        outcome = await ask(self.vlm, prompt, media, self.slots, self.options, self._why_gone)
        counts.asked += outcome.attempts
        if outcome.answer is None:
            failed = self._failure(journal, key, outcome.failure)
            return failed if kept is None or outcome.failure.final else kept
        self.unanswered = 0
        given = outcome.answer
        answer = {
            "log_odds": float(given.value),
            "yes": bool(given.value > 0),
            "exact": given.exact,
            "text": clean(given.text),
            "mass": given.mass,
        }
        journal.put(key, answer)
        return answer

    def _why_gone(self) -> str:
        return f"the judge was gone: {self.gone}" if self.gone else ""

    def _failure(self, journal: Journal, key: str, failure: VLMUnavailable) -> dict[str, Any]:
        kind = KINDS.get(failure.kind, "unavailable")
        detail = failure.detail if kind == failure.kind else str(failure)
        answer = {"failure": clean(f"{kind}: {detail}"), "text": clean(failure.text), "mass": failure.mass}
        if failure.kind == REFUSED:
            self.unanswered = 0
            journal.put(key, answer)
        elif failure.kind == NO_LOGPROBS:
            self.gone = self.gone or f"the judge cannot answer: {failure}"
        else:
            self.unanswered += 1
            if self.unanswered >= self.options.give_up_after and not self.gone:
                self.gone = f"{self.options.give_up_after} requests in a row had no answer, the last one: {failure}"
        return answer

    def _kept(self, journal: Journal, key: str) -> dict[str, Any] | None:
        """What the journal holds and may be used: an answer, or a refusal that is not to be asked about again."""
        kept = journal.get(key)
        if kept is None:
            return None
        if "failure" in kept:
            return kept if kept["failure"].startswith(REFUSED) and not self.ask_failed_again else None
        if abs(kept["log_odds"]) > MOST or self._too_weak(kept):
            return None
        return kept if kept.get("mass") is None or kept["mass"] >= self.options.vlm.min_mass else None

    def _too_weak(self, kept: dict[str, Any]) -> bool:
        """Whether a server returned so few tokens that the missing side stood higher than the other leaves it room."""
        vlm = self.options.vlm
        if vlm.backend != "openai" or vlm.answer != "logprobs" or vlm.judge_noise:
            return False
        mass = 0.0 if kept["exact"] else kept.get("mass") or 0.0
        return mass * (1.0 + math.exp(-abs(kept["log_odds"]))) > 1.0 + SLACK

    async def _in_thread(self, function: Callable, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.threads, function, *arguments)


def _whole(kept: dict[str, Any]) -> bool:
    """Whether a journaled answer is from when masses were kept."""
    return "failure" in kept or "mass" in kept


def clean(text: str) -> str:
    """What a server said, cut to what is kept, and such that it can be written as UTF-8."""
    return text[:LONGEST].encode("utf-8", "replace").decode()
