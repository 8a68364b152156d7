"""The judge at work: an event loop in a thread of its own, so that the caller goes on sampling."""

import asyncio
import math
import threading
from collections.abc import Sequence
from concurrent import futures
from concurrent.futures import Future

import numpy as np

from microworld.vlm import build_vlm
from models.vlm.asking import ask, judge_prompt
from models.vlm.frames import encoded, frame_indices
from models.vlm.protocol import VLM, Prompt, Video
from training.options.rewards import JudgeOptions
from training.rewards.judgements import Judgements, checked

Answer = tuple[float, int, str, float]  # log-odds (NaN: failed), attempts, the last error, mass (NaN: not known)


class Pending:
    """Judgements to come."""

    def __init__(self, future: "Future[Judgements]"):
        self._future = future

    def result(self) -> Judgements:
        """Waits for the judgements.

        Raises what the VLM raised but for VLMUnavailable: a mistake of the program, such as a prompt it does not know.
        Raises concurrent.futures.CancelledError when the judge was closed before.
        """
        return self._future.result()

    def wait(self, seconds: float) -> bool:
        """Waits at most so long; whether `result` would return, or raise, at once."""
        return bool(futures.wait([self._future], timeout=seconds).done)


class Judge:
    """Asks the questions of `options` about videos. Use as a context manager, or close it.

    `vlm` answers; it is built from the options when None is given, and closed with the judge either way. What is
    submitted together or apart shares one limit of requests in flight. Judgements depend on nothing but the videos, the
    tasks and the VLM: neither on concurrency nor on the order of answers.
    """

    def __init__(self, options: JudgeOptions, vlm: VLM | None = None):
        self.options = options
        self.vlm = build_vlm(options.client) if vlm is None else vlm
        self._loop = asyncio.new_event_loop()
        self._slots = asyncio.Semaphore(options.concurrency)
        self._thread = threading.Thread(target=self._loop.run_forever, name="judge", daemon=True)
        self._thread.start()

    def submit(self, videos: np.ndarray, tasks: Sequence[str], fps: float) -> Pending:
        """Begins to judge videos and returns at once.

        videos uint8 [N, T, H, W, 3] RGB (numpy, or torch on the CPU; the frames to be judged are copied), one task T
        each, `fps` frames a second. Raises ValueError for other shapes or types, RuntimeError after `close`.
        """
        pixels = checked(videos, tasks, fps)
        if self._loop.is_closed():
            raise RuntimeError("the judge is closed: submit videos before it is closed")
        chosen = frame_indices(pixels.shape[1], self.options.frames)
        work = self._judge(pixels[:, list(chosen)], tuple(tasks), tuple(i / fps for i in chosen))
        return Pending(asyncio.run_coroutine_threadsafe(work, self._loop))

    def close(self) -> None:
        """Cancels what is still asked, closes the VLM and ends the thread. May be called twice."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._wind_up(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> "Judge":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    async def _wind_up(self) -> None:
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self.vlm.aclose()
        await self._loop.shutdown_default_executor()

    async def _judge(self, frames: np.ndarray, tasks: tuple[str, ...], times_s: tuple[float, ...]) -> Judgements:
        """Judges frames uint8 [N, F, H, W, 3]."""
        videos = [
            Video(await asyncio.to_thread(encoded, video, self.options.image_format), times_s) for video in frames
        ]
        # Rollouts that came out the same are asked about once.
        kinds: dict[tuple[str, str], int] = {}
        of = [
            kinds.setdefault((video.sha256, task), n) for n, (video, task) in enumerate(zip(videos, tasks, strict=True))
        ]
        asked = [(n, question) for n in kinds.values() for question in self.options.questions]
        try:
            async with asyncio.TaskGroup() as group:
                running = [
                    group.create_task(self._ask(judge_prompt(question, tasks[n]), videos[n])) for n, question in asked
                ]
        except ExceptionGroup as mistakes:  # the same one for many videos, as a rule
            raise mistakes.exceptions[0] from mistakes
        answers = {key: task.result() for key, task in zip(asked, running, strict=True)}
        log_odds = {q: np.array([answers[n, q][0] for n in of], np.float64) for q in self.options.questions}
        return Judgements(
            log_odds,
            sum(attempts for _, attempts, _, _ in answers.values()),
            next((error for value, _, error, _ in answers.values() if math.isnan(value)), ""),
            np.array([least([answers[n, q][3] for q in self.options.questions]) for n in of], np.float64),
        )

    async def _ask(self, question: Prompt, video: Video) -> Answer:
        """One question about one video, asked again while it fails."""
        asked = await ask(self.vlm, question, [video], self._slots, self.options)
        value = math.nan if asked.answer is None else float(asked.answer.value)
        told = asked.answer or asked.failure
        mass = math.nan if told is None or told.mass is None else told.mass
        return value, asked.attempts, f"{question.name}: {asked.failure}" if asked.failure else "", mass


def least(masses: Sequence[float]) -> float:
    """The smallest of those that are known; NaN where none is."""
    return min((mass for mass in masses if not math.isnan(mass)), default=math.nan)
