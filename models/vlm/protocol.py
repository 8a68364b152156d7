"""What every VLM client can do: complete a prompt into a validated object, and answer yes or no as a log-odds."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from models.vlm.failures import FINAL, REJECTED

MIN_MASS = 0.5  # of yes and no together, where a recipe names none


@dataclass(frozen=True)
class Image:
    """A still, as encoded JPEG or PNG bytes."""

    data: bytes

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Video:
    """Frames sampled from a video, each an encoded JPEG or PNG, with their times in seconds."""

    frames: tuple[bytes, ...]
    times_s: tuple[float, ...]

    def __post_init__(self):
        if len(self.frames) != len(self.times_s) or not self.frames:
            raise ValueError(f"{len(self.frames)} frames with {len(self.times_s)} times: give one time for each frame")

    @cached_property
    def sha256(self) -> str:
        digest = hashlib.sha256(repr(self.times_s).encode())
        for data in self.frames:
            digest.update(hashlib.sha256(data).digest())
        return digest.hexdigest()


Media = Image | Video


@dataclass(frozen=True)
class Prompt:
    """A prompt file with its fields filled in. `template_hash` is the hash of the file: the one kept in every row.

    `digits`: a yes/no question that asks for 1 or 0 in place of yes or no, as some published ones do.
    """

    name: str
    version: int
    template_hash: str
    text: str
    fields: Mapping[str, str] = field(default_factory=dict)
    digits: bool = False


@dataclass(frozen=True)
class Usage:
    """Tokens of one request, 0 where the backend counts none."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.prompt_tokens + other.prompt_tokens, self.completion_tokens + other.completion_tokens)


@dataclass(frozen=True)
class Completion:
    """The answer to `complete`. `value` is valid against the schema, or None with `error` saying why.

    error is "" or one of models/vlm/failures.py ERRORS: truncated, invalid_json, wrong_schema, empty, refused. They are
    the model's own failures; failures of the transport raise VLMUnavailable instead.
    """

    value: Any | None
    text: str
    usage: Usage
    error: str = ""


@dataclass(frozen=True)
class LogOdds:
    """The answer to `log_odds`: log p(yes) - log p(no), natural logarithm, at the first answered token.

    `exact` is False when one of the two was not among the returned tokens and stands at a floor. `text` is what the
    model said, as far as the backend knows. `mass` is p(yes) + p(no) of the tokens that were returned, 0 to 1; None
    where it is not known.
    """

    value: float
    log_p_yes: float
    log_p_no: float
    exact: bool
    usage: Usage
    text: str = ""
    mass: float | None = None


class VLMUnavailable(RuntimeError):
    """No answer could be had after all retries. `kind`: one of models/vlm/failures.py.

    `final` for what is the model's own failure to say yes or no (`kind` refused or no_answer) and would come again;
    `text` what it said instead and `mass` what yes and no had (see LogOdds), as far as these are known.
    """

    def __init__(self, kind: str, detail: str, text: str = "", mass: float | None = None):
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail, self.text, self.mass = kind, detail, text, mass

    @property
    def final(self) -> bool:
        return self.kind in FINAL

    @property
    def rejected(self) -> bool:
        """Whether the server took the request itself for wrong. It is, if the server answers others."""
        return self.kind in REJECTED


class VLM(Protocol):
    """A vision-language model. `model_id` names weights and backend, and is kept in every row.

    `min_mass` is the least share of the probability, 0 to 1, that yes and no must have for their log-odds to count.
    """

    model_id: str
    min_mass: float

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
        """Asks for one JSON object that fits `schema` (JSON Schema). Raises VLMUnavailable.

        `again`: a second try after a malformed answer, which is sampled where the first was greedy
        (models/vlm/second_try.py).
        """

    async def log_odds(self, question: Prompt, media: Sequence[Media]) -> LogOdds:
        """Asks a yes/no question. Raises VLMUnavailable, `no_answer` where the mass is below `min_mass`."""

    async def aclose(self) -> None:
        """Frees connections and weights."""
