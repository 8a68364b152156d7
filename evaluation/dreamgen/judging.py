"""DreamGen's questions, asked of our VLM clients.

The published judge (Qwen2.5-VL-7B, greedy, 4 tokens) writes a digit and counts an answer that begins with 1; it has no
log-odds, and counts whatever else it says as 0. Here the same questions in our own words are answered by yes or no at
the first token; an answer above 0 counts 1, and what is no answer is a failure, kept apart. Frames are chosen as
published: 49 at even distances, scaled by 0.3, as stills, for following; the same frames unscaled, as a video with
times, for physics.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from evaluation.dreamgen.benchmark import instruction
from evaluation.dreamgen.options import DreamgenJudgeOptions
from evaluation.exporting import Run
from evaluation.records import JUDGEMENTS, Judgement, Sample, VideoRecord, read_lines, write_lines
from models.vlm.asking import AskOptions, ask
from models.vlm.build import build_vlm
from models.vlm.frames import encoded
from models.vlm.gather import map_bounded
from models.vlm.journaled import Journaled
from models.vlm.prompts import prompt
from models.vlm.protocol import VLM, Image, Media, Prompt, Video
from storage.files import confined
from storage.journal import Journal

SCORED = 1  # the wording that scores are made of
JOURNAL = "dreamgen_answers.sqlite"
Read = Callable[[Path], np.ndarray]


def judge(
    run: Run, options: DreamgenJudgeOptions, *, vlm: VLM | None = None, read: Read | None = None
) -> list[Judgement]:
    """Asks every question of `options` about every video of `run` and writes them into its judgements.jsonl.

    Judgements of other questions, and of other seeds, stay. Answers are journaled in the run's folder: after a kill,
    only what was not answered is asked again. A video that cannot be read, or is not there, is a failed judgement
    ("undecodable: ..."), never a missing one. `vlm` is built from the options when None; `read` gives a file's frames
    uint8 [T, H, W, 3] and raises ValueError or OSError (evaluation.videos.read_frames when None).
    """
    if read is None:
        from evaluation.videos import read_frames as read
    with Journal(run.folder / JOURNAL) as journal:
        made = asyncio.run(_judge_all(run, options, Journaled(vlm or build_vlm(options.vlm), journal), read))
    mine = {(one.video_id, one.question, one.variant) for one in made}
    kept = [
        one
        for one in read_lines(run.folder / JUDGEMENTS, Judgement)
        if (one.video_id, one.question, one.variant) not in mine
    ]
    write_lines(run.folder / JUDGEMENTS, [*kept, *made])
    return made


def uniform_indices(total: int, wanted: int) -> tuple[int, ...]:
    """`wanted` indices from 0 to total - 1 at even distances, rounded down, as the benchmark's own script takes them.

    Of fewer frames all, and the last one again until there are enough.
    """
    if total < wanted:
        return (*range(total), *([total - 1] * (wanted - total)))
    return tuple(np.linspace(0, total - 1, wanted, dtype=int).tolist())


def scaled(frames: np.ndarray, scale: float, shortest_side: int) -> np.ndarray:
    """Frames uint8 [F, H, W, 3] at `scale` of their size (bilinear), no side below `shortest_side` unless it was
    before.
    """
    import cv2

    height, width = frames.shape[1:3]
    scale = min(1.0, max(scale, shortest_side / min(height, width)))
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    if size == (width, height):
        return frames
    return np.stack([cv2.resize(frame, size) for frame in frames])


def question(name: str, sample: Sample) -> Prompt:
    """The question `name` about a video of `sample`."""
    return prompt(name, SCORED, instruction=instruction(sample))


async def _judge_all(run: Run, options: DreamgenJudgeOptions, vlm: Journaled, read: Read) -> list[Judgement]:
    patience = AskOptions(
        concurrency=options.concurrency,
        timeout_s=options.timeout_s,
        retries=options.retries,
        retry_wait_s=options.retry_wait_s,
    )
    slots = asyncio.Semaphore(options.concurrency)
    # A video waits in memory while its questions are asked: two more than the requests need, so that the next ones are
    # decoded meanwhile.
    limit = -(-options.concurrency // len(options.questions)) + 2
    work = [(run.samples[sample_id], video) for sample_id, video in run.videos.items()]

    async def one(item: tuple[Sample, VideoRecord]) -> list[Judgement]:
        return await _judge_video(run, *item, options, vlm, read, slots, patience)

    found: dict[str, list[Judgement]] = {}
    try:
        async with contextlib.aclosing(map_bounded(one, work, limit)) as results:
            async for (_, video), judgements in results:
                found[video.video_id] = judgements
                if len(found) % 25 == 0 or len(found) == len(work):
                    print(f"judged {len(found)} of {len(work)} videos", file=sys.stderr, flush=True)
    finally:
        await vlm.aclose()
    return [judgement for _, video in work for judgement in found[video.video_id]]


async def _judge_video(
    run: Run,
    sample: Sample,
    video: VideoRecord,
    options: DreamgenJudgeOptions,
    vlm: Journaled,
    read: Read,
    slots: asyncio.Semaphore,
    patience: AskOptions,
) -> list[Judgement]:
    questions = [question(name, sample) for name in options.questions]

    def record(asked: Prompt, **values) -> Judgement:
        return Judgement(
            video.video_id,
            sample.sample_id,
            asked.name,
            SCORED,
            vlm.model_id,
            asked.template_hash,
            video.sha256,
            **values,
        )

    try:
        if video.failure:
            raise ValueError(f"there is no video: {video.failure}")
        frames = await asyncio.to_thread(read, confined(run.folder, video.path))
        if video.frames and len(frames) != video.frames:
            raise ValueError(f"{len(frames)} frames, {video.frames} in the manifest")
        chosen = uniform_indices(len(frames), options.frames)
        stills, footage = await asyncio.to_thread(_media, frames, chosen, video.fps or 1.0, options)
    except (OSError, ValueError) as error:
        return [record(asked, failure=f"undecodable: {error}") for asked in questions]
    seen = {"frames": chosen, "times_s": tuple(round(i / (video.fps or 1.0), 6) for i in chosen)}

    async def answered(asked: Prompt) -> Judgement:
        media = footage if asked.name == "dreamgen_physics" else stills
        outcome = await ask(vlm, asked, media, slots, patience)
        if outcome.answer is None:
            return record(asked, **seen, failure=str(outcome.failure), text=outcome.failure.text)
        answer = outcome.answer
        return record(asked, **seen, log_odds=answer.value, yes=answer.value > 0, exact=answer.exact, text=answer.text)

    return list(await asyncio.gather(*(answered(asked) for asked in questions)))


def _media(
    frames: np.ndarray, chosen: Sequence[int], fps: float, options: DreamgenJudgeOptions
) -> tuple[list[Media], list[Media]]:
    """(stills for following, a video for physics). Padding repeats a frame, which a video does not show twice."""
    distinct = sorted(set(chosen))
    small = encoded(scaled(frames[distinct], options.scale, options.shortest_side), options.image_format)
    where = {index: place for place, index in enumerate(distinct)}
    stills: list[Media] = [Image(small[where[index]]) for index in chosen]
    whole = encoded(frames[distinct], options.image_format)
    return stills, [Video(whole, tuple(index / fps for index in distinct))]
