"""A VLM for the microworld: answers by rule from the pixels of its media, the prompt's name and its fields."""

import asyncio
import hashlib
import json
import math
import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from microworld import photo
from microworld.exact_judge import ANSWERED, Verdict
from microworld.families import build_task, instructions, sample_tasks
from microworld.flaws import PAPER_RATE, spoil
from microworld.grammar import TaskNotUnderstood, parse
from microworld.labelling import label_video
from microworld.verdict_pool import VerdictPool
from microworld.verdict_worker import judge_encoded
from microworld.vision import Observation, decode, observe
from models.vlm.answers import two_way
from models.vlm.protocol import MIN_MASS, Completion, Image, LogOdds, Media, Prompt, Usage, Video
from models.vlm.questions import by_name

MODEL_ID = "scripted/microworld-1"
TOKENS_PER_WORD = 1.3
IMAGE_TOKENS = 256
JUDGES = {by_name(name).prompt: name for name in ANSWERED}
TASK_TYPES = {"movement": "navigation", "positioning": "positioning", "interaction": "object_interaction"}
KEPT = 256  # verdicts: the questions about a video come close together
NUMBERED = re.compile(r"^\s*(\d+)[.)]\s+(.+?)\s*$", re.MULTILINE)


class ScriptedVLM:
    """Implements models.vlm.protocol.VLM without weights: reads microworld pictures and videos, and judges the latter.

    A share `flaw_rate` of its pairs is spoiled on purpose (flaws.py). With `photo_tasks` it also answers about other
    pictures, from pixel statistics alone (photo.py), and its model_id ends in "+photo". The same media bytes, prompt
    and seed give the same answer. Prompts it knows: "screening", "tasks" (field count), "taxonomy" (field tasks),
    "video_task", and of the judge's questions those in exact_judge.ANSWERED (field task). Raises ValueError for
    another one, for media that are no picture, and for a flaw_rate outside 0..1.

    Judgements are exact: models/vlm/erring.py makes a judge that errs. Videos are judged in `workers` processes
    (verdict_pool.py), started at the first one; with 0 in a thread of this process. All questions about a video share
    one verdict.
    """

    def __init__(
        self,
        *,
        flaw_rate: float = PAPER_RATE,
        photo_tasks: bool = False,
        workers: int = 0,
    ):
        if not 0 <= flaw_rate <= 1:
            raise ValueError(f"flaw_rate {flaw_rate}: use a share from 0 to 1")
        flaws = "" if flaw_rate == PAPER_RATE else f";flaw_rate={flaw_rate:g}"
        self.model_id = MODEL_ID + ("+photo" if photo_tasks else "") + flaws
        self.min_mass = MIN_MASS
        self.flaw_rate, self.photo_tasks = flaw_rate, photo_tasks
        self.pool = VerdictPool(workers) if workers else None
        self._threads = ThreadPoolExecutor(max(workers, 1), "microworld-judge")
        self._verdicts: dict[tuple[str, str], Future[Verdict]] = {}
        self._lock = threading.Lock()

    async def complete(
        self,
        prompt: Prompt,
        media: Sequence[Media],
        schema: Mapping[str, Any],
        *,
        max_tokens: int,
        seed: int = 0,
        again: bool = False,
    ) -> Completion:
        """Answers "tasks" and "solution" (one image), "taxonomy" (no media needed) and "video_task" (one video).

        The answer is an object that fits `schema`.
        """
        return await asyncio.to_thread(self._complete, prompt, media, schema, max_tokens, seed)

    async def log_odds(self, question: Prompt, media: Sequence[Media]) -> LogOdds:
        """Answers "screening" (one image) and the judges (one video)."""
        if question.name in JUDGES:
            verdict = self._verdict(_only(media, Video, question), question.fields["task"])
            # Shielded: one caller's cancellation must not take the verdict from the others.
            value = getattr(await asyncio.shield(asyncio.wrap_future(verdict)), JUDGES[question.name])
        else:
            value = await asyncio.to_thread(self._screening, question, media)
        return two_way(value, True, Usage(_prompt_tokens(question, media), 1))

    async def aclose(self) -> None:
        """Ends the workers; verdicts not begun are cancelled."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self.pool:
            self.pool.close()

    def _complete(self, prompt, media, schema, max_tokens, seed) -> Completion:
        match prompt.name:
            case "tasks":
                value = self._tasks(prompt, _only(media, Image, prompt), seed)
            case "solution":
                value = self._solution(prompt, _only(media, Image, prompt), seed)
            case "taxonomy":
                value = {"labels": [label(int(n), text) for n, text in NUMBERED.findall(prompt.fields["tasks"])]}
            case "video_task":
                frames = _only(media, Video, prompt).frames
                value = {"task": label_video([decode(frame) for frame in frames])}
            case name:
                known = "tasks, solution, taxonomy and video_task are what it knows"
                raise ValueError(f"the scripted VLM cannot complete {name!r}: {known}")
        asked = _prompt_tokens(prompt, media)
        if value is None:
            return Completion(None, "There is nothing that could act.", Usage(asked, 8), "refused")
        text = json.dumps(value, ensure_ascii=False)
        tokens = math.ceil(len(text.split()) * TOKENS_PER_WORD)
        if tokens > max_tokens:
            cut = " ".join(text.split()[: int(max_tokens / TOKENS_PER_WORD)])
            return Completion(None, cut, Usage(asked, max_tokens), "truncated")
        fits = _fits(value, schema)
        return Completion(value if fits else None, text, Usage(asked, tokens), "" if fits else "wrong_schema")

    def _tasks(self, prompt: Prompt, image: Image, seed: int) -> dict | None:
        count = int(prompt.fields["count"])
        key = f"{image.sha256}:{prompt.template_hash}:{seed}"
        rng = np.random.default_rng(list(hashlib.sha256(key.encode()).digest()))
        pixels = decode(image.data)
        seen = observe(pixels)
        if seen.layout.agents:
            pairs = [(task.text, task.solution) for task in sample_tasks(seen.layout, rng, count)]
        elif self.photo_tasks and not _is_microworld(seen):
            pairs = list(photo.tasks(pixels, rng))[:count]
        else:
            return None
        if not pairs:
            return None
        pairs = [pairs[i % len(pairs)] for i in range(count)]  # as many as asked, repeating itself where it must
        return {"pairs": [{"task": t, "solution": d} for t, d in spoil(pairs, key, self.flaw_rate)]}

    def _solution(self, prompt: Prompt, image: Image, seed: int) -> dict | None:
        """D of the task from the picture, spoiled as often as its pairs are; None for a task that it sees no way to."""
        text, pixels = prompt.fields["task"], decode(image.data)
        seen = observe(pixels)
        if self.photo_tasks and not _is_microworld(seen):
            solution = dict(photo.tasks(pixels, np.random.default_rng(0))).get(text)
        else:
            solution = _solved(seen, text)
        if solution is None:
            return None
        key = f"{image.sha256}:{prompt.template_hash}:{text}:{seed}"
        return {"solution": spoil([(text, solution)], key, self.flaw_rate)[0][1]}

    def _screening(self, question: Prompt, media: Sequence[Media]) -> float:
        if question.name != "screening":
            raise ValueError(
                f"the scripted VLM cannot answer {question.name!r}: screening and {', '.join(JUDGES)} it can"
            )
        pixels = decode(_only(media, Image, question).data)
        seen = observe(pixels)
        if self.photo_tasks and not _is_microworld(seen):
            return photo.screening_score(pixels)
        return screening_score(seen)

    def _verdict(self, video: Video, task: str) -> Future[Verdict]:
        """The verdict on a video, to come, shared by the questions that are asked of it."""
        key = video.sha256, task
        with self._lock:
            if key not in self._verdicts:
                judge = self.pool.verdict if self.pool else judge_encoded
                self._verdicts[key] = self._threads.submit(judge, video.frames, task)
                while len(self._verdicts) > KEPT:
                    self._verdicts.pop(next(iter(self._verdicts)))
            verdict = self._verdicts[key]
        verdict.add_done_callback(lambda done: self._forget_failed(key, done))
        return verdict

    def _forget_failed(self, key: tuple[str, str], done: Future[Verdict]) -> None:
        """A verdict that could not be had is asked for again the next time."""
        if done.cancelled() or done.exception():
            with self._lock:
                if self._verdicts.get(key) is done:
                    del self._verdicts[key]


def screening_score(seen: Observation) -> float:
    """Log-odds, within about +-6, that a picture has an agent that can act and something to act on.

    Grows with what there is to do and how clearly things are read; a picture that is not of this world lies lowest.
    """
    if not seen.readable:
        return -6.0
    if not seen.layout.agents:
        return -3.5 + 0.25 * len(seen.layout.landmarks)
    choices = len(instructions(seen.layout))
    return float(np.clip(1.2 * math.log((choices + 1) / 12) + 12 * (seen.fit - 0.85), -2.5, 6.0))


def label(number: int, text: str) -> dict[str, Any]:
    """The taxonomy's entry for one task, from its words."""
    try:
        category, kind = "object", TASK_TYPES.get(parse(text).family, "compound")
    except TaskNotUnderstood:
        words = text.lower()
        category = "first_person" if photo.AGENT.lower() in words else "object"
        looks = re.search(r"\blook\b", words)
        kind = (
            "perception"
            if looks
            else "positioning"
            if "stop" in words
            else "navigation"
            if re.search(r"\b(move|bring)\b", words)
            else "other"
        )
    return {"number": number, "agent_category": category, "task_type": kind}


def _solved(seen: Observation, text: str) -> str | None:
    """D of T in what was seen; None when it cannot be done there, or T is no task of this world."""
    try:
        task = build_task(seen.layout, text)
    except TaskNotUnderstood:
        return None
    return None if task is None else task.solution


def _is_microworld(seen: Observation) -> bool:
    return seen.readable and bool(seen.seen)


def _only(media: Sequence[Media], kind: type, prompt: Prompt):
    if len(media) != 1 or not isinstance(media[0], kind):
        got = [type(one).__name__ for one in media]
        raise ValueError(f"{prompt.name} got {got}: give it exactly one {kind.__name__}")
    return media[0]


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema).is_valid(value)


def _prompt_tokens(prompt: Prompt, media: Sequence[Media]) -> int:
    pictures = sum(len(one.frames) if isinstance(one, Video) else 1 for one in media)
    return math.ceil(len(prompt.text.split()) * TOKENS_PER_WORD) + pictures * IMAGE_TOKENS
