"""A VLM behind any server that speaks OpenAI's chat completions protocol; vLLM 0.33 is the one it is made for.

vlm = OpenAIServer(VLMOptions(backend="openai", base_url="http://127.0.0.1:8000/v1", model="Qwen/Qwen3.5-27B-FP8"))
"""

import asyncio
import itertools
import os
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pydantic

from models.vlm.answers import NO, YES, completion, model_id, schema_instruction
from models.vlm.chat_content import content_parts
from models.vlm.openai_wire import Answer, TokenizeAnswer, log_odds_options, read_log_odds, token_name
from models.vlm.options import VLMOptions
from models.vlm.protocol import Completion, LogOdds, Media, Prompt, VLMUnavailable
from models.vlm.retry import AttemptFailed, retry_after_s, wait_s

Checked = TypeVar("Checked", bound=pydantic.BaseModel)

VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
NO_KEY = "EMPTY"
RETRIED_STATUSES = {408, 409, 429}
UNKNOWN_FIELD = ("http_400", "http_422")  # what a strict server says to a field it does not know
INTERRUPTED = ("abort", "error")  # vLLM's finish reasons for answers that broke off on its side


@dataclass
class Traffic:
    """What the client did, for the report: requests sent, retries and final failures by kind, seconds spent waiting."""

    sent: int = 0
    retried: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    waited_s: float = 0.0


def check_key(api_key_env: str) -> None:
    """Raises ValueError when the environment variable of this name is not set; "" is for servers without keys."""
    if api_key_env and not os.environ.get(api_key_env):
        # Repeated only if it looks like a name: it may be the key itself, written into the wrong field.
        shown = repr(api_key_env) if VARIABLE.fullmatch(api_key_env) else f"({len(api_key_env)} characters)"
        raise ValueError(f"api_key_env {shown} is not set: give the NAME of an environment variable that holds the key")


class OpenAIServer:
    """One model on one server, as `options` of the backend openai say. For one event loop; `aclose` when done.

    base_url: the server's address with its version, e.g. http://127.0.0.1:8000/v1.
    api_key_env: name of the environment variable that holds the key; "" for servers that need none. The key itself is
        handed to the HTTP client and kept nowhere else.
    concurrency: most requests in flight. A request that waits for its retry keeps its place, so that a server that asks
        for patience is not filled up with others.
    timeout_s: seconds for one attempt from connecting to the answer's last byte, however slowly bytes arrive.
    max_retries: further attempts after 408, 409, 429, 5xx, time-outs, broken connections and malformed answers.
    backoff_s, backoff_max_s: the first wait and the longest; a wait doubles each time, with jitter. A server's
        Retry-After is honoured up to 10 x backoff_max_s.
    temperature: for `complete`; `log_odds` needs none.
    thinking: False and True are sent as the chat template's `enable_thinking`; None sends nothing, for servers that
        refuse fields they do not know.

    Raises ValueError when the named environment variable is not set.
    """

    def __init__(self, options: VLMOptions):
        from openai import AsyncOpenAI, Timeout

        check_key(options.api_key_env)
        self.options = options
        self.model_id = model_id("openai", options.model, "main", options.temperature, options.thinking)
        self.traffic = Traffic()
        self._client = AsyncOpenAI(
            base_url=options.base_url,
            # Given always, since the client would otherwise send OPENAI_API_KEY to whatever server this is.
            api_key=os.environ[options.api_key_env] if options.api_key_env else NO_KEY,
            max_retries=0,
            timeout=Timeout(options.timeout_s, connect=min(10.0, options.timeout_s)),
        )
        self._places = asyncio.Semaphore(options.concurrency)
        self._detecting = asyncio.Lock()
        self._answer_ids: tuple[tuple[int, ...], tuple[int, ...]] | None = None
        self._knows_token_ids: bool | None = None

    def __repr__(self) -> str:
        return f"OpenAIServer(base_url={self.options.base_url!r}, model={self.options.model!r})"

    async def complete(
        self, prompt: Prompt, media: Sequence[Media], schema: Mapping[str, Any], *, max_tokens: int, seed: int = 0
    ) -> Completion:
        """One request with `schema` as a strict response format; validated here too, whatever the server did."""
        answer = await self._chat(
            f"{prompt.text}\n\n{schema_instruction(schema)}",
            media,
            max_tokens=max_tokens,
            seed=seed,
            temperature=self.options.temperature,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": prompt.name, "schema": dict(schema), "strict": True},
            },
        )
        choice = answer.choice
        if choice.message.refusal or choice.finish_reason == "content_filter":
            return Completion(None, choice.message.refusal or "", answer.tokens, "refused")
        return completion(choice.message.content, schema, answer.tokens, truncated=choice.finish_reason == "length")

    async def log_odds(self, question: Prompt, media: Sequence[Media]) -> LogOdds:
        """log p(yes) - log p(no) of the first answered token, over every one-token spelling of the two.

        Exact where the server gives the log-probabilities of named tokens (vLLM); else from the 20 likeliest, where a
        side that is missing stands at the least likely of them. Which of the two is found out once. Raises
        VLMUnavailable("no_answer") when the model is about to say neither, and "refused" when it or its server refuses.
        """
        yes_ids, no_ids = await self._one_token_ids()
        if self._knows_token_ids is False:
            yes_ids, no_ids = (), ()
        try:
            answer = await self._chat(question.text, media, **log_odds_options([*yes_ids, *no_ids]))
        except VLMUnavailable as error:
            if error.kind not in UNKNOWN_FIELD or self._knows_token_ids or not yes_ids:
                raise
            answer = await self._chat(question.text, media, **log_odds_options([]))
            self._knows_token_ids = False  # learnt only now: the request was good without the extension
        said = answer.choice.message
        if said.refusal or answer.choice.finish_reason == "content_filter":
            raise VLMUnavailable(
                "refused", said.refusal or "stopped by the server's content filter", said.content or ""
            )
        if self._knows_token_ids is None:
            wanted = {token_name(token_id) for token_id in (*yes_ids, *no_ids)}
            self._knows_token_ids = bool(wanted) and wanted <= answer.candidates.keys()
        if not answer.candidates:
            raise VLMUnavailable("no_logprobs", f"{self!r} returned no top_logprobs: log_odds needs a server that does")
        try:
            return read_log_odds(answer.candidates, yes_ids, no_ids, answer.tokens, said.content or "")
        except ValueError as error:
            raise VLMUnavailable("no_answer", str(error), said.content or "") from None

    async def aclose(self) -> None:
        await self._client.close()

    async def _chat(self, text: str, media: Sequence[Media], *, extra_body: dict | None = None, **options) -> Answer:
        messages = [{"role": "user", "content": content_parts(text, media)}]
        body = {"model": self.options.model, "messages": messages, **options, **(extra_body or {})}
        if self.options.thinking is not None:
            body["chat_template_kwargs"] = {"enable_thinking": self.options.thinking}
        async with self._places:
            try:
                # Not chat.completions.create: it walks the messages in Python, two thirds of a request's time here.
                return await self._persist("/chat/completions", body, Answer)
            except VLMUnavailable as error:
                self.traffic.failed[error.kind] += 1
                raise

    async def _one_token_ids(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The ids of the spellings of yes and of no that are one token; both empty if the server won't say."""
        async with self._detecting:
            if self._answer_ids is None:
                try:
                    yes = [await self._tokenize(word) for word in YES]
                    no = [await self._tokenize(word) for word in NO]
                except VLMUnavailable as error:
                    if not error.kind.startswith("http_4") and error.kind not in ("http_501", "malformed"):
                        raise
                    yes = no = []  # no vLLM: there is no such address, or something else answers there
                sides = tuple(tuple(sorted({ids[0] for ids in side if len(ids) == 1})) for side in (yes, no))
                self._answer_ids = sides if all(sides) else ((), ())
            return self._answer_ids

    async def _tokenize(self, word: str) -> list[int]:
        url = f"{self.options.base_url.rstrip('/').removesuffix('/v1')}/tokenize"
        body = {"model": self.options.model, "prompt": word, "add_special_tokens": False}
        return (await self._persist(url, body, TokenizeAnswer)).tokens

    async def _persist(self, url: str, body: dict[str, Any], expected: type[Checked]) -> Checked:
        """Posts until an answer fits `expected`, waits between attempts. Raises VLMUnavailable."""
        first_s, longest_s = self.options.backoff_s, self.options.backoff_max_s
        for attempt in itertools.count():
            try:
                return await self._attempt(url, body, expected)
            except AttemptFailed as error:
                if attempt == self.options.max_retries or not error.retried:
                    after = f" after {attempt + 1} attempts" if attempt else ""
                    raise VLMUnavailable(error.kind, f"{self!r}{after}: {error.detail}") from None
                self.traffic.retried[error.kind] += 1
                wait = wait_s(attempt, error.retry_after_s, first_s, longest_s, random.random())
            self.traffic.waited_s += wait
            await asyncio.sleep(wait)

    async def _attempt(self, url: str, body: dict[str, Any], expected: type[Checked]) -> Checked:
        import httpx2  # the HTTP library of the openai client
        import openai

        self.traffic.sent += 1
        try:
            async with asyncio.timeout(self.options.timeout_s):
                text = (await self._client.post(url, cast_to=httpx2.Response, body=body)).text
        except (TimeoutError, openai.APITimeoutError):
            raise AttemptFailed("timeout", f"no whole answer within {self.options.timeout_s:g} s") from None
        except openai.APIStatusError as error:
            status = error.status_code
            retried = status in RETRIED_STATUSES or status >= 500
            detail = f"{error.response.reason_phrase}: {self._without_key(error.response.text)[:500]}"
            raise AttemptFailed(f"http_{status}", detail, retry_after_s(error.response.headers), retried) from None
        except openai.APIConnectionError as error:
            raise AttemptFailed("connection", f"{error} {error.__cause__ or ''}".strip()) from None
        try:
            answer = expected.model_validate_json(text)
        except pydantic.ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
            raise AttemptFailed(
                "malformed", f"{expected.__name__}: {problems} in {self._without_key(text)[:200]!r}"
            ) from None
        if isinstance(answer, Answer) and answer.choice.finish_reason in INTERRUPTED:
            raise AttemptFailed("interrupted", f"finish_reason {answer.choice.finish_reason!r}")
        return answer

    def _without_key(self, detail: str) -> str:
        """Servers echo headers into errors; errors go into tables and logs."""
        key = self._client.api_key
        return detail if key == NO_KEY else detail.replace(key, "***")
