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
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from evaluation.judging.agreement import agreement, constant
from evaluation.judging.looking import Look, given, looked, planned, told_of
from evaluation.judging.options import JudgingOptions
from evaluation.judging.video_judge import Counts, VideoJudge
from evaluation.records import (
    JUDGEMENTS,
    MANIFEST,
    OK,
    SAMPLES,
    Judgement,
    Sample,
    VideoRecord,
    read_lines,
    write_lines,
)
from microworld.vlm import build_vlm
from models.vlm.asking import judge_prompt
from models.vlm.bounded import map_bounded
from models.vlm.protocol import VLM, Media
from storage.files import exclusive, write_bytes
from storage.journal import Journal

JOURNAL, LOCK = "judging.sqlite", ".judging.lock"


@dataclass(frozen=True)
class Judged:
    """What the judging of one run came to. `asked` counts requests to the judge, `known` answers found in the journal;
    `failures` failed judgements by kind; `unknown` answers found there without their mass, and asked for again."""

    folder: Path
    judge: str
    judgements: int
    asked: int
    known: int
    failures: dict[str, int]
    unknown: int = 0


@dataclass(frozen=True)
class Work:
    """One video to be judged, of which run."""

    run: "Run"
    record: VideoRecord
    sample: Sample


class Run:
    """A run's folder while it is judged: its journal, and the judgements so far by (video_id, question, variant)."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.records = _manifest(folder)
        self.samples = _samples(folder, self.records)
        self.journal = Journal(folder / JOURNAL)
        self.judgements: dict[tuple[str, str, int], Judgement] = {}
        self.counts = Counts()


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
    with opened(folders, tell) as runs:
        return asyncio.run(judging(runs, options, vlm, tell))


@contextlib.contextmanager
def opened(folders: Sequence[Path], tell: Callable[[str], None]) -> Iterator[list[Run]]:
    """The runs of `folders`, each locked. Outside event loops: there a signal would not end the wait for a lock."""
    chosen = sorted({Path(folder).resolve() for folder in folders})
    with contextlib.ExitStack() as stack:
        for folder in chosen:
            if not (folder / MANIFEST).exists():
                raise ValueError(f"{folder} has no {MANIFEST}: give the folder of a run")
            waits = f"{folder.name}: another process is judging it, waiting until it ends"
            stack.enter_context(exclusive(folder / LOCK, lambda said=waits: tell(said)))
        runs = [Run(folder) for folder in chosen]
        for run in runs:
            stack.enter_context(run.journal)
        yield runs


async def judging(
    runs: Sequence[Run], options: JudgingOptions, vlm: VLM | None = None, tell: Callable[[str], None] = print
) -> list[Judged]:
    """`judge_runs` within an event loop, over runs that are `opened`."""
    if options.given and not Path(options.given).is_dir():
        raise ValueError(f"given {options.given!r} is no folder: give the folder of the benchmark's pictures")
    client = build_vlm(options.client) if vlm is None else vlm
    work = [Work(run, record, run.samples[record.sample_id]) for run in runs for record in run.records]
    total, begun, told = len(work), time.monotonic(), time.monotonic()
    asked_of_each = [(question, variant) for question in options.questions for variant in options.variants]
    # As many videos as fill the server's places, and those that are made ready meanwhile; no more in memory.
    open_videos = math.ceil(options.concurrency / len(asked_of_each)) + 2 * options.decoders
    with ThreadPoolExecutor(options.decoders, "decode") as threads:
        judge = options.judge_id(client.model_id)
        video_judge = VideoJudge(client, judge, options, threads, options.ask_failed_again)

        async def judge_video(item: Work) -> list[Judgement]:
            run, record, sample = item.run, item.record, item.sample
            asked = [(question, judge_prompt(question, sample.task, variant)) for question, variant in asked_of_each]
            if options.given:
                asked = [(question, told_of(prompt)) for question, prompt in asked]

            def look(_: str) -> Look:
                return planned(record, options.frames, options.image_format, bool(options.given))

            def show(path: Path, record: VideoRecord, looks: Sequence[Look | None]) -> list[list[Media]]:
                """The same pictures for every question that is to be asked about the video."""
                look = next(one for one in looks if one is not None)
                media = [*given(Path(options.given), sample, record, look), looked(path, record, look)]
                return [media] * len(looks)

            return await video_judge.judge_video(run.folder, run.journal, record, asked, look, show, run.counts)

        try:
            for run in runs:
                _refuse_twice(run.folder, options, judge, tell)
            async with contextlib.aclosing(map_bounded(judge_video, work, open_videos)) as finished:
                done = 0
                async for item, judgements in finished:
                    done += 1
                    item.run.judgements |= {(one.video_id, one.question, one.variant): one for one in judgements}
                    if time.monotonic() - told >= 10:
                        told = time.monotonic()
                        failed = f"{video_judge.failed} judgements failed"
                        tell(f"{done} of {total} videos judged, {failed}, {told - begun:.0f} s")
        finally:
            await client.aclose()
    results = [_written(run, options, client.model_id) for run in runs]
    for one in results:
        failed = ", ".join(f"{count} {kind}" for kind, count in one.failures.items()) or "none"
        tell(f"{one.folder.name}: {one.judgements} judgements, {one.asked} asked, {one.known} known, failed: {failed}")
        if one.unknown:
            tell(
                f"{one.folder.name}: {one.unknown} answers were from before masses were kept, and were asked for again "
                "(one that could not be had stays, its mass unknown)"
            )
    video_judge.raise_when_gone()
    return results


def _refuse_twice(folder: Path, options: JudgingOptions, judge: str, tell: Callable[[str], None]) -> None:
    """Keeps a judge from standing beside itself, which would look like another one that agrees with it.

    Raises ValueError for a further judge that is the one that scores are made of. A further one's file that is of the
    judge whom scores are made of now is removed: its answers are in the journal.
    """
    if options.name:
        first = next(read_lines(folder / JUDGEMENTS, Judgement), None)
        if first is not None and first.judge == judge:
            raise ValueError(
                f"further judge {options.name!r} is {judge}, the same judge as in {folder / JUDGEMENTS}: name another "
                "one. For more wordings of one judge use `variants`"
            )
        return
    for name in sorted(path.name for path in folder.glob("judgements.*.jsonl")):
        first = next(read_lines(folder / name, Judgement), None)
        if first is not None and first.judge == judge:
            tell(f"{folder.name}: {name} is of the same judge and is removed")
            (folder / name).unlink()


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
    counts, failed = run.counts, dict(sorted(failures.items()))
    return Judged(run.folder, judge, len(found), counts.asked, counts.known, failed, counts.unknown)


def _manifest(folder: Path) -> list[VideoRecord]:
    records = list(read_lines(folder / MANIFEST, VideoRecord))
    twice = [name for name, count in Counter(record.video_id for record in records).items() if count > 1]
    if twice:
        raise ValueError(f"{folder / MANIFEST}: video ids {twice[:3]} appear more than once: make the run again")
    return records


def _samples(folder: Path, records: Sequence[VideoRecord]) -> Mapping[str, Sample]:
    """The samples by id. Raises ValueError when a video's sample is not there or an id stands twice."""
    samples: dict[str, Sample] = {}
    for sample in read_lines(folder / SAMPLES, Sample):
        if sample.sample_id in samples:
            raise ValueError(f"{folder / SAMPLES}: sample id {sample.sample_id!r} appears more than once")
        samples[sample.sample_id] = sample
    missing = sorted({record.sample_id for record in records} - samples.keys())
    if missing:
        raise ValueError(f"{folder / SAMPLES} lacks {len(missing)} samples of the manifest: {missing[:3]} ...")
    return samples
