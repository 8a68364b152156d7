"""DreamGen's questions, asked of our VLM clients.

The published judge (Qwen2.5-VL-7B, greedy, 4 tokens) writes a digit and counts an answer that begins with 1; it has no
log-odds, and counts whatever else it says as 0. Here the same questions in our own words are answered by yes or no at
the first token; log-odds above 0 count 1, and what is no answer is a failure, kept apart. With `published` its own
words are asked too (published.py), by the log-odds of the digits: above 0 where its greedy answer is 1. Frames are
chosen as published: 49 at even distances, scaled by 0.3, as stills, for following; the same frames unscaled, as a video
with times, for physics (published: the VLM's own sampling of the file).
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from evaluation.benchmarks.dreamgen.looking import Look, judge_id, looked, planned
from evaluation.benchmarks.dreamgen.options import PUBLISHED, DreamgenJudgeOptions
from evaluation.benchmarks.dreamgen.published import Published, published_prompt, read_published
from evaluation.benchmarks.dreamgen.released import instruction
from evaluation.benchmarks.named_videos import Run
from evaluation.judging.looking import Undecodable
from evaluation.judging.video_judge import Counts, VideoJudge
from evaluation.records import Judgement, Sample, VideoRecord, read_lines, write_lines
from evaluation.videos import read_frames
from microworld.vlm import build_vlm
from models.vlm.bounded import map_bounded
from models.vlm.prompts import prompt
from models.vlm.protocol import VLM, Media, Prompt
from models.vlm.questions import SCORED
from storage.files import exclusive
from storage.journal import Journal

JUDGEMENTS, JOURNAL, LOCK = "judgements.dreamgen.jsonl", "dreamgen.sqlite", ".dreamgen.lock"
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

    Raises JudgeGone when the judge stopped answering; what it had answered is written; ValueError or OSError where
    the published words cannot be read.
    """
    words = read_published(Path(options.published)) if options.published else {}
    with exclusive(run.folder / LOCK), Journal(run.folder / JOURNAL) as journal:
        client = build_vlm(options.client) if vlm is None else vlm
        made, video_judge = asyncio.run(_judge_all(run, options, client, journal, read, words))
        videos = {video.video_id for video in run.videos.values()}
        others = [one for one in read_lines(run.folder / JUDGEMENTS, Judgement) if one.video_id not in videos]
        write_lines(run.folder / JUDGEMENTS, [*others, *made])
    video_judge.raise_when_gone()
    return made


def question(name: str, sample: Sample) -> Prompt:
    """The question `name` about a video of `sample`: about the instruction in its file's name, as published."""
    return prompt(name, SCORED, instruction=instruction(sample))


async def _judge_all(
    run: Run, options: DreamgenJudgeOptions, vlm: VLM, journal: Journal, read: Read, words: Published
) -> tuple[list[Judgement], VideoJudge]:
    """Judgements in the order of the run's videos, and the judge that made them."""
    video_judge = VideoJudge(vlm, judge_id(vlm.model_id, options), options)

    async def judge_video(video: VideoRecord) -> list[Judgement]:
        sample = run.samples[video.sample_id]
        asked = [(name, question(name, sample)) for name in options.questions]
        for name in options.questions if words else ():
            theirs = PUBLISHED[name]
            asked.append((theirs, published_prompt(theirs, words[name], instruction(sample))))

        def look(name: str) -> Look:
            return planned(video, name, options)

        return await video_judge.judge_video(run.folder, journal, video, asked, look, show, Counts())

    def show(path: Path, video: VideoRecord, looks: Sequence[Look | None]) -> list[list[Media]]:
        """Decodes once for all looks, and keeps encoded frames alone."""
        try:
            frames = read(path, video.frames)
        except (OSError, ValueError) as error:
            raise Undecodable(str(error).replace(str(path), video.path)) from error
        return [looked(frames, one, options) if one else [] for one in looks]

    work = list(run.videos.values())
    limit = -(-options.concurrency // (len(options.questions) * (2 if words else 1))) + AHEAD
    found: dict[str, list[Judgement]] = {}
    try:
        async with contextlib.aclosing(map_bounded(judge_video, work, limit)) as results:
            async for video, judgements in results:
                found[video.video_id] = judgements
                if len(found) % 25 == 0 or len(found) == len(work):
                    print(f"judged {len(found)} of {len(work)} videos", file=sys.stderr, flush=True)
    finally:
        await vlm.aclose()
    return [judgement for video in work for judgement in found[video.video_id]], video_judge
