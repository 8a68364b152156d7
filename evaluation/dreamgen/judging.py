"""DreamGen's questions, asked of our VLM clients.

The published judge (Qwen2.5-VL-7B, greedy, 4 tokens) writes a digit and counts an answer that begins with 1; it has no
log-odds, and counts whatever else it says as 0. Here the same questions in our own words are answered by yes or no at
the first token; log-odds above 0 count 1, and what is no answer is a failure, kept apart. Frames are chosen as
published: 49 at even distances, scaled by 0.3, as stills, for following; the same frames unscaled, as a video with
times, for physics (published: the VLM's own sampling of the file).
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.dreamgen.benchmark import instruction
from evaluation.dreamgen.looking import Look, judge_id, looked, planned
from evaluation.dreamgen.options import DreamgenJudgeOptions
from evaluation.exporting import Run
from evaluation.judging.judging import KINDS, JudgeGone
from evaluation.judging.looking import Undecodable, verified
from evaluation.records import Judgement, Sample, VideoRecord, read_lines, write_lines
from evaluation.videos import read_frames
from models.vlm.asking import SCORED, AskOptions, ask
from models.vlm.build import build_vlm
from models.vlm.gather import map_bounded
from models.vlm.journaled import request_key
from models.vlm.prompts import prompt
from models.vlm.protocol import VLM, Media, Prompt, VLMUnavailable
from storage.files import exclusive
from storage.journal import Journal

JUDGEMENTS, JOURNAL, LOCK = "judgements.dreamgen.jsonl", "dreamgen.sqlite", ".dreamgen.lock"
LONGEST = 2000  # characters of a text that is kept
AHEAD = 4  # videos that are decoded while the server has all the requests it may have
Read = Callable[[Path, int], np.ndarray]


def judge(
    run: Run, options: DreamgenJudgeOptions, *, vlm: VLM | None = None, read: Read = read_frames
) -> list[Judgement]:
    """Asks every question of `options` about every video of `run`, and writes judgements.dreamgen.jsonl in its folder.

    Judgements of the run's other seeds stay. Final answers are journaled: a killed judging goes on where it was, and a
    finished one neither asks nor decodes; failures of the transport are asked again. A video that cannot be read, or is
    not there, is a failed judgement ("undecodable: ..."), never a missing one. `vlm` is built from the options when
    None, and closed either way; `read` (path, frames) gives uint8 [T, H, W, 3] and raises ValueError or OSError.

    Raises JudgeGone when the judge stopped answering; what it had answered is written.
    """
    with exclusive(run.folder / LOCK), Journal(run.folder / JOURNAL) as journal:
        client = build_vlm(options.vlm) if vlm is None else vlm
        bench = _Bench(run, options, client, journal, read)
        made = asyncio.run(bench.judge_all())
        videos = {video.video_id for video in run.videos.values()}
        others = [one for one in read_lines(run.folder / JUDGEMENTS, Judgement) if one.video_id not in videos]
        write_lines(run.folder / JUDGEMENTS, [*others, *made])
    if bench.gone:
        raise JudgeGone(f"{options.give_up_after} requests in a row had no answer, the last one: {bench.gone}")
    return made


def question(name: str, sample: Sample) -> Prompt:
    """The question `name` about a video of `sample`: about the instruction in its file's name, as published."""
    return prompt(name, SCORED, instruction=instruction(sample))


class _Bench:
    """Judges videos, several at once. `gone` says why nothing more is asked."""

    def __init__(self, run: Run, options: DreamgenJudgeOptions, vlm: VLM, journal: Journal, read: Read):
        self.run, self.options, self.vlm, self.journal, self.read = run, options, vlm, journal, read
        self.patience = AskOptions(
            timeout_s=options.timeout_s, retries=options.retries, retry_wait_s=options.retry_wait_s
        )
        self.unanswered, self.gone = 0, ""

    async def judge_all(self) -> list[Judgement]:
        """Judgements in the order of the run's videos."""
        self.slots = asyncio.Semaphore(self.options.concurrency)
        work = list(self.run.videos.values())
        limit = -(-self.options.concurrency // len(self.options.questions)) + AHEAD
        found: dict[str, list[Judgement]] = {}
        try:
            async with contextlib.aclosing(map_bounded(self.judge_video, work, limit)) as results:
                async for video, judgements in results:
                    found[video.video_id] = judgements
                    if len(found) % 25 == 0 or len(found) == len(work):
                        print(f"judged {len(found)} of {len(work)} videos", file=sys.stderr, flush=True)
        finally:
            await self.vlm.aclose()
        return [judgement for video in work for judgement in found[video.video_id]]

    async def judge_video(self, video: VideoRecord) -> list[Judgement]:
        """Every question about one video."""
        sample = self.run.samples[video.sample_id]
        asked = [question(name, sample) for name in self.options.questions]
        judge = judge_id(self.vlm.model_id, self.options)
        blank = [
            Judgement(video.video_id, sample.sample_id, one.name, SCORED, judge, one.template_hash, video.sha256)
            for one in asked
        ]
        try:
            looks = [planned(video, one.name, self.options) for one in asked]
            path = await asyncio.to_thread(verified, self.run.folder, video)
            keys = [
                request_key(self.vlm.model_id, "judge", one, [look]) for one, look in zip(asked, looks, strict=True)
            ]
            found = [self.journal.get(key) for key in keys]
            wanted = [None if kept else look for kept, look in zip(found, looks, strict=True)]
            media = await asyncio.to_thread(self._media, path, video, wanted)
        except Undecodable as error:
            return [replace(one, failure=_clean(f"undecodable: {error}")) for one in blank]
        blank = [
            replace(one, frames=look.indices, times_s=look.times_s) for one, look in zip(blank, looks, strict=True)
        ]
        answers = await asyncio.gather(
            *(
                self._answer(key, kept, one, shown)
                for key, kept, one, shown in zip(keys, found, asked, media, strict=True)
            )
        )
        return [replace(one, **answer) for one, answer in zip(blank, answers, strict=True)]

    async def _answer(self, key: str, kept: Any, asked: Prompt, media: list[Media]) -> dict:
        """The fields of a judgement that the judge decides; journaled when they are final."""
        if kept:
            return kept
        if self.gone:
            return {"failure": _clean(f"unavailable: not asked, since the judge was gone: {self.gone}")}
        outcome = await ask(self.vlm, asked, media, self.slots, self.patience)
        if outcome.answer is None:
            return self._failure(key, outcome.failure)
        self.unanswered = 0
        given = outcome.answer
        answer = {"log_odds": float(given.value), "yes": bool(given.value > 0), "exact": given.exact}
        answer["text"] = _clean(given.text)
        self.journal.put(key, answer)
        return answer

    def _failure(self, key: str, failure: VLMUnavailable) -> dict:
        kind = KINDS.get(failure.kind, "unavailable")
        detail = failure.detail if kind == failure.kind else str(failure)
        answer = {"failure": _clean(f"{kind}: {detail}"), "text": _clean(failure.text)}
        if failure.final:
            self.unanswered = 0
            self.journal.put(key, answer)
        else:
            self.unanswered += 1
            if self.unanswered >= self.options.give_up_after:
                self.gone = self.gone or str(failure)
        return answer

    def _media(self, path: Path, video: VideoRecord, looks: list[Look | None]) -> list[list[Media]]:
        """What is shown for each look, [] for None. Decodes once, and only for a look; keeps encoded frames alone."""
        if not any(looks):
            return [[] for _ in looks]
        try:
            frames = self.read(path, video.frames)
        except (OSError, ValueError) as error:
            raise Undecodable(str(error).replace(str(path), video.path)) from error
        return [looked(frames, look, self.options) if look else [] for look in looks]


def _clean(text: str) -> str:
    """What a server said, cut to what is kept, and such that it can be written as UTF-8."""
    return text[:LONGEST].encode("utf-8", "replace").decode()
