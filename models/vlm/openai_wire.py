"""The chat completions protocol, as far as it is used: what is sent, and what an answer must have to be one.

Servers are strangers: an answer is checked here, at the border, and everything behind may rely on it.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BaseModel, Field

from models.vlm.answers import LEAST_LOG_P, MOST_TOKENS, NO, ONE, YES, ZERO, log_odds, log_sum_exp, no_answer
from models.vlm.api_key import blotted
from models.vlm.protocol import LogOdds, Usage

TOP = 20  # the most that OpenAI allows and what vLLM's --max-logprobs defaults to

ROUNDING = 1e-4  # how far above 0 a logarithm may come out
FLOAT32_LOWEST = -3.5e38  # llama.cpp writes the lowest float32 for a probability of 0

# Strict: JSON's true is no number.
LogProbability = Annotated[
    float,
    Field(strict=True, allow_inf_nan=False, ge=FLOAT32_LOWEST, le=ROUNDING),
    AfterValidator(lambda value: min(0.0, max(value, LEAST_LOG_P))),
]
Count = Annotated[int, Field(strict=True, ge=0, le=MOST_TOKENS)]


class Candidate(BaseModel):
    token: str
    logprob: LogProbability


class Position(BaseModel):
    token: str
    top_logprobs: list[Candidate] | None = None


class LogProbs(BaseModel):
    content: list[Position] | None = None


class Message(BaseModel):
    """`thoughts`: what a reasoning parser took for such; some servers put a whole answer there (vllm#18255)."""

    content: str | None = None
    refusal: str | None = None
    thoughts: Annotated[Any, Field(validation_alias=AliasChoices("reasoning_content", "reasoning"))] = None


class Choice(BaseModel):
    message: Message
    finish_reason: str | None = None
    logprobs: LogProbs | None = None


class Tokens(BaseModel):
    prompt_tokens: Count | None = 0
    completion_tokens: Count | None = 0


class Answer(BaseModel):
    """A chat completion. At least one choice; what is not listed here is ignored."""

    choices: Annotated[list[Choice], Field(min_length=1)]
    usage: Tokens | None = None
    model: Any = None  # who answered, as the server says

    @property
    def choice(self) -> Choice:
        return self.choices[0]

    @property
    def refusal(self) -> str | None:
        """Why the model or a content filter gives no answer ("" when it does not say); None when neither refuses."""
        message = self.choice.message
        return message.refusal or ("" if self.choice.finish_reason == "content_filter" else None)

    def cut_at(self, max_tokens: int) -> bool:
        """Whether the answer reached the limit; blanks up to it too, whatever the server calls their end."""
        blank = not (self.choice.message.content or "").strip()
        return self.choice.finish_reason == "length" or (blank and self.tokens.completion_tokens >= max_tokens)

    def blot(self, key: str) -> None:
        """Takes a server's key out of all that this answer says."""
        self.model = blotted(self.model, key)
        message = self.choice.message
        message.content, message.refusal = blotted(message.content, key), blotted(message.refusal, key)
        message.thoughts = blotted(message.thoughts if isinstance(message.thoughts, str) else None, key)
        for position in (self.choice.logprobs and self.choice.logprobs.content) or ():
            for candidate in position.top_logprobs or ():
                candidate.token = blotted(candidate.token, key)

    @property
    def tokens(self) -> Usage:
        usage = self.usage or Tokens()
        return Usage(usage.prompt_tokens or 0, usage.completion_tokens or 0)

    @property
    def candidates(self) -> dict[str, float]:
        """Token -> log-probability (natural) at the first answered position; {} when the server gave none.

        Several tokens may have one text ("yes" and "▁yes" of a SentencePiece vocabulary): their probabilities add. One
        that is listed twice, with one log-probability, counts once.
        """
        logprobs = self.choice.logprobs
        found: dict[str, list[float]] = {}
        if logprobs is not None and logprobs.content:
            for one in dict.fromkeys((one.token, one.logprob) for one in logprobs.content[0].top_logprobs or ()):
                found.setdefault(one[0], []).append(one[1])
        return {token: log_sum_exp(values) for token, values in found.items()}


class TokenizeAnswer(BaseModel):
    """What vLLM's /tokenize says."""

    tokens: list[Count]


class ServedModel(BaseModel):
    id: str


class Served(BaseModel):
    """What /models says."""

    data: list[ServedModel]


def token_name(token_id: int) -> str:
    """How vLLM writes a token under `return_tokens_as_token_ids`: unlike its text, it names one token only."""
    return f"token_id:{token_id}"


def log_odds_options(token_ids: Sequence[int]) -> dict[str, Any]:
    """The request fields that ask for the first token's log-probabilities.

    With token ids, vLLM's extensions name them exactly. `top_logprobs` stands beside them for servers that ignore
    fields that they do not know: the same answer then serves the fallback.
    """
    options: dict[str, Any] = {"max_tokens": 1, "temperature": 0.0, "logprobs": True, "top_logprobs": TOP}
    if token_ids:
        options["extra_body"] = {"logprob_token_ids": list(token_ids), "return_tokens_as_token_ids": True}
    return options


def read_log_odds(
    candidates: Mapping[str, float],
    yes_ids: Sequence[int],
    no_ids: Sequence[int],
    usage: Usage,
    text: str = "",
    min_mass: float = 0.0,
    digits: bool = False,
) -> LogOdds:
    """Log-odds from the `candidates` of the first position, named by id (`token_name`) or by text.

    Each token of a side that is not among them is at most as likely as the least likely candidate, and the side has at
    most what the other one leaves: it stands at the smaller of the two. Raises VLMUnavailable("no_answer") when neither
    side is there: the model was about to say something else.
    """
    words = (ONE, ZERO) if digits else (YES, NO)
    yes = [candidates[name] for name in (*words[0], *map(token_name, yes_ids)) if name in candidates]
    no = [candidates[name] for name in (*words[1], *map(token_name, no_ids)) if name in candidates]
    if not yes and not no:
        likeliest = sorted(candidates, key=candidates.__getitem__, reverse=True)[:5]
        said = f"among the {len(candidates)} returned tokens the likeliest are {likeliest}"
        raise no_answer(0.0, min_mass, said, text)
    return log_odds(yes, no, usage, floor=min(candidates.values()), text=text)
