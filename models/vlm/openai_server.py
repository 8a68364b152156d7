"""A VLM behind any server that speaks OpenAI's chat completions protocol; vLLM 0.33 is the one it is made for.

vlm = OpenAIServer(VLMOptions(backend="openai", base_url="http://127.0.0.1:8000/v1", model="Qwen/Qwen3.5-27B-FP8"))
"""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from models.vlm.answers import NO, YES, answered, completion, model_id, no_answer, schema_instruction
from models.vlm.api_key import blotted
from models.vlm.chat_content import content_parts
from models.vlm.failures import NO_LOGPROBS, REFUSED
from models.vlm.openai_http import Posting, Traffic
from models.vlm.openai_wire import Answer, Served, TokenizeAnswer, log_odds_options, read_log_odds, token_name
from models.vlm.options import VLMOptions
from models.vlm.protocol import Completion, LogOdds, Media, Prompt, Usage, VLMUnavailable
from models.vlm.retry import AttemptFailed
from models.vlm.second_try import temperature_of
from models.vlm.yes_no_text import INSTRUCTION, from_answers, said

UNKNOWN_FIELD = ("http_400", "http_422")  # what a strict server says to a field it does not know
TOKENIZE_S = 10.0  # for all of /tokenize, once: a server that does not say is asked without token ids
LIST_S = 10.0  # for the names of the models
NOT_YET = ("connection", "http_408", "http_429")  # says nothing about /tokenize: it is tried again


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
    temperature: for `complete` and `answer: text`; log-probabilities need none. None sends nothing.
    thinking: False and True are sent as the chat template's `enable_thinking`; None sends nothing, for servers that
        refuse fields they do not know.
    answer, answer_samples, answer_max_tokens: how yes/no questions are answered, see `log_odds`.

    Raises ValueError when the named environment variable is not set.
    """

    def __init__(self, options: VLMOptions):
        self.options, self.min_mass = options, options.min_mass
        self.model_id = model_id("openai", options.model, "main", options.temperature, options.thinking)
        if options.answer == "text":
            self.model_id += f";answer=text;samples={options.answer_samples};tokens={options.answer_max_tokens}"
        self._http = Posting(options, repr(self))
        self._places = asyncio.Semaphore(options.concurrency)
        self._detecting = asyncio.Lock()
        self._answer_ids: tuple[tuple[int, ...], tuple[int, ...]] | None = None
        self._knows_token_ids: bool | None = None

    def __repr__(self) -> str:
        return self.named(self.options)

    @staticmethod
    def named(options: VLMOptions) -> str:
        """What errors call the server."""
        return f"OpenAIServer(base_url={options.base_url!r}, model={options.model!r})"

    @property
    def traffic(self) -> Traffic:
        return self._http.traffic

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
        """One request with `schema` as a strict response format; validated here too, whatever the server did."""
        answer = await self.chat(
            f"{prompt.text}\n\n{schema_instruction(schema)}",
            media,
            max_tokens=max_tokens,
            seed=seed,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": prompt.name, "schema": dict(schema), "strict": True},
            },
            **_heat(temperature_of(self.options.temperature, again)),
        )
        if answer.refusal is not None:
            return Completion(None, answer.refusal, answer.tokens, REFUSED)
        message = answer.choice.message
        made = completion(
            message.content,
            schema,
            answer.tokens,
            truncated=answer.cut_at(max_tokens),
            reasoning=message.thoughts,
        )
        return replace(made, value=blotted(made.value, self._http.key))  # escaped in the text, perhaps

    async def log_odds(self, question: Prompt, media: Sequence[Media]) -> LogOdds:
        """log p(yes) - log p(no) of the first answered token, over every one-token spelling of the two.

        Exact where the server gives the log-probabilities of named tokens (vLLM); else from the 20 likeliest, where a
        side that is missing stands at the least likely of them. Which of the two is found out once. With `answer: text`
        from what the model writes (models/vlm/yes_no_text.py), and never exact. Of a question with `digits`, 1 and 0
        stand for the two: they are read from the 20 likeliest, whose first is the greedy answer. Raises VLMUnavailable:
        "no_answer" when the model is about to say neither (its mass is below `min_mass`), "refused" when it or its
        server refuses, "no_logprobs" when the server gives none.
        """
        if self.options.answer == "text":
            return answered(await self._written(question, media), self.min_mass)
        yes_ids, no_ids = ((), ()) if question.digits else await self._one_token_ids()
        if self._knows_token_ids is False:
            yes_ids, no_ids = (), ()
        try:
            answer = await self.chat(question.text, media, **log_odds_options([*yes_ids, *no_ids]))
        except VLMUnavailable as error:
            if error.kind not in UNKNOWN_FIELD or self._knows_token_ids or not yes_ids:
                raise
            answer = await self.chat(question.text, media, **log_odds_options([]))
            self._knows_token_ids = False  # learnt only now: the request was good without the extension
        text = answer.choice.message.content or ""
        if answer.refusal is not None:
            raise VLMUnavailable(REFUSED, answer.refusal or "stopped by the server's content filter", text)
        if self._knows_token_ids is None and not question.digits:
            wanted = {token_name(token_id) for token_id in (*yes_ids, *no_ids)}
            self._knows_token_ids = bool(wanted) and wanted <= answer.candidates.keys()
        if not answer.candidates:
            raise VLMUnavailable(
                NO_LOGPROBS,
                f"{self!r} returned no top_logprobs, from which yes/no questions are answered: use a server that does, "
                "or set `answer: text` (options of the VLM), which reads yes or no from what the model writes",
            )
        return answered(
            read_log_odds(answer.candidates, yes_ids, no_ids, answer.tokens, text, self.min_mass, question.digits),
            self.min_mass,
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _written(self, question: Prompt, media: Sequence[Media]) -> LogOdds:
        """From `answer_samples` written answers, each cut at `answer_max_tokens`."""
        several = self.options.answer_samples > 1
        try:
            async with asyncio.TaskGroup() as group:
                asked = [
                    group.create_task(
                        self.chat(
                            f"{question.text}\n\n{INSTRUCTION}",
                            media,
                            # Not max_tokens, which reasoning models refuse.
                            max_completion_tokens=self.options.answer_max_tokens,
                            **_heat(self.options.temperature),
                            **({"seed": number} if several else {}),
                        )
                    )
                    for number in range(self.options.answer_samples)
                ]
        except ExceptionGroup as failed:  # the same one for all, as a rule
            raise failed.exceptions[0] from None
        answers = [task.result() for task in asked]
        texts = [answer.choice.message.content or "" for answer in answers]
        refusals = [answer.refusal for answer in answers if answer.refusal is not None]
        if len(refusals) == len(answers):
            raise VLMUnavailable(REFUSED, refusals[0] or "stopped by the server's content filter", texts[0])
        cut = [answer.cut_at(self.options.answer_max_tokens) for answer in answers]
        whole = [answer.refusal is None and not short for answer, short in zip(answers, cut, strict=True)]
        told = [said(text) if complete else None for text, complete in zip(texts, whole, strict=True)]
        shown = next((text for text, answer in zip(texts, told, strict=True) if answer is not None), None)
        if shown is None:
            counted = f"{sum(cut)} of {len(told)} written answers are cut at answer_max_tokens"
            raise no_answer(0.0, self.min_mass, counted if any(cut) else "none ends in yes or no", texts[0])
        return from_answers(told, sum((answer.tokens for answer in answers), Usage()), shown)

    async def chat(self, text: str, media: Sequence[Media], *, extra_body: dict | None = None, **options) -> Answer:
        """One chat completion of `text` about `media`; `options` are further fields. Raises VLMUnavailable."""
        messages = [{"role": "user", "content": content_parts(text, media)}]
        body = {"model": self.options.model, "messages": messages, **options, **(extra_body or {})}
        if self.options.thinking is not None:
            body["chat_template_kwargs"] = {"enable_thinking": self.options.thinking}
        async with self._places:
            # Not chat.completions.create: it walks the messages in Python, two thirds of a request's time here.
            return await self._http.post("/chat/completions", body, Answer)

    async def served(self) -> list[str]:
        """The names of the models that the server lists. Raises AttemptFailed."""
        limit_s = min(LIST_S, self.options.timeout_s)
        listed = await self._http.attempt("/models", None, Served, limit_s)
        return [blotted(one.id, self._http.key) for one in listed.data]

    async def _one_token_ids(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The ids of the spellings of yes and of no that are one token; both empty if the server won't say.

        It is asked once, for a short time: one that hangs, fails or knows no /tokenize is remembered as such. A server
        that is not there yet is waited for as for any request, each caller for itself.
        """
        with self._http.silence.waiting():
            for attempt in itertools.count():
                async with self._detecting:
                    if self._answer_ids is None:
                        try:
                            self._answer_ids = await self._detected()
                        except AttemptFailed as error:
                            failure = error
                    if self._answer_ids is not None:
                        return self._answer_ids
                await self._http.wait(attempt, failure)

    async def _detected(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        limit_s = min(TOKENIZE_S, self.options.timeout_s)
        try:
            async with asyncio.timeout(limit_s):
                words = {word: await self._tokenize(word, limit_s) for word in (*YES, *NO)}
        except TimeoutError:
            return (), ()
        except AttemptFailed as error:
            if error.kind in NOT_YET:
                raise
            return (), ()  # no vLLM: there is no such address, or something else answers there
        sides = [tuple(sorted({words[word][0] for word in side if len(words[word]) == 1})) for side in (YES, NO)]
        # One id for a yes and a no is that of an unknown word: something else answers there, or a broken tokenizer.
        return (sides[0], sides[1]) if all(sides) and not {*sides[0]} & {*sides[1]} else ((), ())

    async def _tokenize(self, word: str, limit_s: float) -> list[int]:
        url = f"{self.options.base_url.rstrip('/').removesuffix('/v1')}/tokenize"
        body = {"model": self.options.model, "prompt": word, "add_special_tokens": False}
        return (await self._http.attempt(url, body, TokenizeAnswer, limit_s)).tokens


def _heat(temperature: float | None) -> dict[str, float]:
    return {} if temperature is None else {"temperature": temperature}
