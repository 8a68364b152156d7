"""Runs before a judge: every video, every question, every wording, answered or failed, and nothing asked twice.

Decoding and encoding run in threads ahead of the requests, so that the server always has as many as it may have. Final
answers are journaled by model, question and video file: a killed judging goes on where it was, and a finished one
neither asks nor decodes. Failures of the transport are not kept: the next judging asks again.
"""

import asyncio
import contextlib
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from evaluation.judging.agreement import agreement, constant
from evaluation.judging.looking import Undecodable, looked, planned, verified
from evaluation.judging.options import JudgingOptions
from evaluation.records import MANIFEST, OK, SAMPLES, Judgement, Sample, VideoRecord, read_lines, write_lines
from models.vlm.asking import Question, ask, judge_prompt
from models.vlm.build import build_vlm
from models.vlm.gather import map_bounded
from models.vlm.journaled import request_key
from models.vlm.protocol import VLM, Prompt, Video, VLMUnavailable
from storage.files import exclusive, write_bytes
from storage.journal import Journal

JOURNAL, LOCK = "judging.sqlite", ".judging.lock"
KINDS = {"no_answer": "malformed", "no_logprobs": "malformed"} | {k: k for k in ("malformed", "refused", "timeout")}
LONGEST = 2000  # characters of a text that is kept


class JudgeGone(RuntimeError):
    """The judge stopped answering; what it had answered is written, and the rest marked as failed."""


@dataclass(frozen=True)
class Judged:
    """What the judging of one run came to. `asked` counts requests to the judge, `known` answers found in the journal;
    `failures` failed judgements by kind."""

    folder: Path
    judge: str
    judgements: int
    asked: int
    known: int
    failures: dict[str, int]


@dataclass(frozen=True)
class Work:
    """One video to be judged, of which run."""

    run: "Run"
    record: VideoRecord
    task: str


class Run:
    """A run's folder while it is judged: its journal, and the judgements so far by (video_id, question, variant)."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.records = _manifest(folder)
        self.tasks = _tasks(folder, self.records)
        self.journal = Journal(folder / JOURNAL)
        self.judgements: dict[tuple[str, str, int], Judgement] = {}
        self.asked = self.known = 0


def judge_runs(
    folders: Sequence[Path],
    options: JudgingOptions,
    vlm: VLM | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Judged]:
    """Judges the videos of runs, and writes judgements.jsonl and judging.json into each folder.

    `vlm` answers; it is built from the options when None is given, and closed in the end either way. `tell` gets a line
    of progress now and then. Judgements depend on videos, tasks, wordings and VLM alone, neither on concurrency nor on
    earlier attempts, and stand in the manifest's order. A judging waits for another one of the same run.

    Raises JudgeGone when the judge stopped answering (what there is is written), ValueError or OSError for a folder
    that is no run, and what the VLM raises for a mistake of the program.
    """
    return asyncio.run(judging(folders, options, vlm, tell))


async def judging(
    folders: Sequence[Path], options: JudgingOptions, vlm: VLM | None = None, tell: Callable[[str], None] = print
) -> list[Judged]:
    """`judge_runs` within an event loop."""
    chosen = sorted({Path(folder).resolve() for folder in folders})
    with contextlib.ExitStack() as stack:
        for folder in chosen:
            if not (folder / MANIFEST).exists():
                raise ValueError(f"{folder}: the folder of a run, with its {MANIFEST}, is expected")
            stack.enter_context(exclusive(folder / LOCK))
        runs = [Run(folder) for folder in chosen]
        for run in runs:
            stack.enter_context(run.journal)
        return await _judge(runs, options, vlm, tell)


async def _judge(runs: list[Run], options: JudgingOptions, vlm: VLM | None, tell) -> list[Judged]:
    client = build_vlm(options.vlm.model_copy(update={"concurrency": options.concurrency})) if vlm is None else vlm
    work = [Work(run, record, run.tasks[record.sample_id]) for run in runs for record in run.records]
    total, begun, told = len(work), time.monotonic(), time.monotonic()
    with ThreadPoolExecutor(options.decoders, "decode") as threads:
        bench = _Bench(client, options, threads)
        try:
            async with contextlib.aclosing(map_bounded(bench.judge_video, work, bench.open_videos)) as finished:
                done = 0
                async for item, judgements in finished:
                    done += 1
                    item.run.judgements |= {(one.video_id, one.question, one.variant): one for one in judgements}
                    if time.monotonic() - told >= 10:
                        told = time.monotonic()
                        tell(f"{done} of {total} videos judged, {bench.failed} judgements failed, {told - begun:.0f} s")
        finally:
            await client.aclose()
    results = [_written(run, options, client.model_id) for run in runs]
    for one in results:
        failed = ", ".join(f"{count} {kind}" for kind, count in one.failures.items()) or "none"
        tell(f"{one.folder.name}: {one.judgements} judgements, {one.asked} asked, {one.known} known, failed: {failed}")
    if bench.gone:
        raise JudgeGone(f"{options.give_up_after} requests in a row had no answer, the last one: {bench.gone}")
    return results


class _Bench:
    """Judges videos, several at once. `failed` counts failed judgements; `gone` is why nothing more is asked."""

    def __init__(self, vlm: VLM, options: JudgingOptions, threads: ThreadPoolExecutor):
        self.vlm, self.options, self.threads = vlm, options, threads
        self.judge = options.judge_id(vlm.model_id)
        self.slots = asyncio.Semaphore(options.concurrency)
        self.asked_of_each = [(question, variant) for question in options.questions for variant in options.variants]
        # As many videos as fill the server's places, and those that are made ready meanwhile; no more in memory.
        self.open_videos = math.ceil(options.concurrency / len(self.asked_of_each)) + 2 * options.decoders
        self.failed = self.unanswered = 0
        self.gone = ""

    async def judge_video(self, work: Work) -> list[Judgement]:
        """Every question about one video, in every wording."""
        run, record, options = work.run, work.record, self.options
        blank = [self._blank(record, judge_prompt(q, work.task, variant), q) for q, variant in self.asked_of_each]
        try:
            look = planned(record, options.frames, options.image_format)
            path = await self._in_thread(verified, run.folder, record)
            blank = [replace(one, frames=look.indices, times_s=look.times_s) for one in blank]
            prompts = [judge_prompt(one.question, work.task, one.variant) for one in blank]
            keys = [request_key(self.vlm.model_id, "judge", prompt, [look]) for prompt in prompts]
            found = [self._kept(run, key) for key in keys]
            shown = None if all(found) else await self._in_thread(looked, path, record, look)
        except Undecodable as error:
            self.failed += len(blank)
            return [replace(one, failure=_clean(f"undecodable: {error}")) for one in blank]
        run.known += sum(kept is not None for kept in found)
        answers = await asyncio.gather(
            *[
                _at_hand(kept) if kept else self._answer(run, key, prompt, shown)
                for kept, key, prompt in zip(found, keys, prompts, strict=True)
            ]
        )
        self.failed += sum("failure" in answer for answer in answers)
        return [replace(one, **answer) for one, answer in zip(blank, answers, strict=True)]

    async def _answer(self, run: Run, key: str, question: Prompt, video: Video) -> dict[str, Any]:
        """The fields of a judgement that the judge decides, journaled when they are final."""
        if self.gone:
            return {"failure": _clean(f"unavailable: not asked, since the judge was gone: {self.gone}")}
        asked = await ask(self.vlm, question, [video], self.slots, self.options)
        run.asked += asked.attempts
        if asked.answer is None:
            return self._failure(run, key, asked.failure)
        self.unanswered = 0
        given = asked.answer
        answer = {
            "log_odds": float(given.value),
            "yes": bool(given.value > 0),
            "exact": given.exact,
            "text": _clean(given.text),
        }
        run.journal.put(key, answer)
        return answer

    def _failure(self, run: Run, key: str, failure: VLMUnavailable) -> dict[str, Any]:
        kind = KINDS.get(failure.kind, "unavailable")
        detail = failure.detail if kind == failure.kind else str(failure)
        answer = {"failure": _clean(f"{kind}: {detail}"), "text": _clean(failure.text)}
        if failure.final:
            self.unanswered = 0
            run.journal.put(key, answer)
        elif kind in ("timeout", "unavailable"):
            self.unanswered += 1
            if self.unanswered >= self.options.give_up_after:
                self.gone = self.gone or str(failure)
        return answer

    def _kept(self, run: Run, key: str) -> dict[str, Any] | None:
        kept = run.journal.get(key)
        return None if kept and "failure" in kept and self.options.ask_failed_again else kept

    def _blank(self, record: VideoRecord, prompt: Prompt, question: Question) -> Judgement:
        hashed, version = prompt.template_hash, prompt.version
        return Judgement(record.video_id, record.sample_id, question, version, self.judge, hashed, record.sha256)

    async def _in_thread(self, function, *arguments):
        return await asyncio.get_running_loop().run_in_executor(self.threads, function, *arguments)


async def _at_hand(kept: dict[str, Any]) -> dict[str, Any]:
    return kept


def _written(run: Run, options: JudgingOptions, model_id: str) -> Judged:
    """Writes the run's results, in the manifest's order."""
    found = list(run.judgements.values())
    place = {record.video_id: number for number, record in enumerate(run.records)}
    order = {question: number for number, question in enumerate(options.questions)}
    found.sort(key=lambda one: (place[one.video_id], order[one.question], one.variant))
    failures = Counter(one.failure.split(":")[0] for one in found if one.failure != OK)
    judge = options.judge_id(model_id)
    summary = {
        "judge": judge,
        "videos": len(run.records),
        "judgements": len(found),
        "failures": dict(sorted(failures.items())),
        "prompts": {f"{one.question}.v{one.variant}": one.prompt_hash for one in found},
        "constant": [asdict(one) for one in constant(found)],
        "agreement": {name: asdict(one) for name, one in agreement(found).items()},
    }
    write_lines(run.folder / options.judgements_file, found)
    text = json.dumps(summary, ensure_ascii=False, allow_nan=False, indent=2)
    write_bytes(run.folder / options.summary_file, f"{text}\n".encode())
    return Judged(run.folder, judge, len(found), run.asked, run.known, dict(sorted(failures.items())))


def _manifest(folder: Path) -> list[VideoRecord]:
    records = list(read_lines(folder / MANIFEST, VideoRecord))
    twice = [name for name, count in Counter(record.video_id for record in records).items() if count > 1]
    if twice:
        raise ValueError(f"{folder / MANIFEST}: video ids {twice[:3]} stand more than once: each is expected once")
    return records


def _tasks(folder: Path, records: Sequence[VideoRecord]) -> Mapping[str, str]:
    """T by sample id. Raises ValueError when a video's sample is not there or an id stands twice."""
    tasks: dict[str, str] = {}
    for sample in read_lines(folder / SAMPLES, Sample):
        if sample.sample_id in tasks:
            raise ValueError(f"{folder / SAMPLES}: sample id {sample.sample_id!r} stands more than once")
        tasks[sample.sample_id] = sample.task
    missing = sorted({record.sample_id for record in records} - tasks.keys())
    if missing:
        raise ValueError(f"{folder / SAMPLES}: {len(missing)} samples of the manifest are not there: {missing[:3]} ...")
    return tasks


def _clean(text: str) -> str:
    """What a server said, cut to what is kept, and such that it can be written as UTF-8."""
    return text[:LONGEST].encode("utf-8", "replace").decode()
