"""A judge that errs on purpose: what its errors do to training, and to scores."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.vlm.answers import two_way
from models.vlm.protocol import VLM, Completion, LogOdds, Media, Prompt, Video


class Erring:
    """Wraps `vlm` so that its answers about videos err; all else it answers as before.

    `noise`: standard deviation, in nats, of Gaussian noise on log-odds, 0 to 20. `flip`: chance that one is turned into
    its opposite. Both are drawn from the video and the question's text alone, so that the same judgement always errs
    alike, and are named in the model_id. Raises ValueError for values that are none.
    """

    def __init__(self, vlm: VLM, noise: float = 0.0, flip: float = 0.0):
        if not (0 <= noise <= 20 and 0 <= flip <= 1):
            raise ValueError(
                f"judge_noise {noise}, judge_flip {flip}: use a standard deviation from 0 to 20 and a share from 0 to 1"
            )
        self.vlm, self.noise, self.flip = vlm, noise, flip
        told = (f";judge_noise={noise:g}" if noise else "") + (f";judge_flip={flip:g}" if flip else "")
        self.model_id = vlm.model_id + told

    @property
    def min_mass(self) -> float:
        return self.vlm.min_mass

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
        return await self.vlm.complete(prompt, media, schema, max_tokens=max_tokens, seed=seed, again=again)

    async def log_odds(self, question: Prompt, media: Sequence[Media]) -> LogOdds:
        answer = await self.vlm.log_odds(question, media)
        if not any(isinstance(medium, Video) for medium in media):
            return answer
        return two_way(self.erred(answer.value, question, media[0]), answer.exact, answer.usage, answer.mass)

    def erred(self, value: float, question: Prompt, video: Video) -> float:
        """The log-odds `value` as this judge tells them."""
        key = hashlib.sha256(f"{video.sha256}:{question.name}:{question.text}".encode()).digest()
        rng = np.random.default_rng(list(key))
        value += self.noise * float(rng.standard_normal())
        return -value if rng.random() < self.flip else value

    async def aclose(self) -> None:
        await self.vlm.aclose()
