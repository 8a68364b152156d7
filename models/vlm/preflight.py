"""Before anything expensive: a server is asked what it will be asked, in small, and what it lacks is one clear error.

Asked are a yes/no question and a JSON object, about as many tiny pictures as the real requests will have; each once a
process and server. Only the backend openai needs it: the others load their models, or fail, before they are asked.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from models.vlm.failures import EMPTY, INVALID_JSON, MALFORMED, NO_ANSWER, REJECTED, TRUNCATED, WRONG_SCHEMA
from models.vlm.openai_server import OpenAIServer
from models.vlm.options import VLMOptions
from models.vlm.prompts import prompt
from models.vlm.protocol import Completion, LogOdds, Media, Prompt, Video, VLMUnavailable
from models.vlm.retry import AttemptFailed
from models.vlm.silence import given_up, noting

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}
SIDE_PX = 64  # of the pictures
JSON_TOKENS, WORDS = 256, 64
HANDSHAKE_S = 5.0
PASSED: dict[str, int] = {}  # server and kind of request -> the most pictures that it took, in this process


class NotReady(RuntimeError):
    """The server cannot answer what will be asked of it. The message says why, and what would be right."""


@dataclass(frozen=True)
class Needs:
    """What will be asked: the most pictures of a yes/no question, and of a request for JSON. None: no such request."""

    yes_no: int | None = None
    json: int | None = None


def preflight(options: VLMOptions, needs: Needs) -> None:
    """`flown` for a caller without an event loop; does nothing for other backends, and where it is switched off."""
    if options.backend == "openai" and options.preflight:
        asyncio.run(flown(options, needs))


async def flown(options: VLMOptions, needs: Needs) -> None:
    """Asks the server of `options` what `needs` says and what it has not answered yet. Raises NotReady."""
    for kind, pictures in (("yes_no", needs.yes_no), ("json", needs.json)):
        server = json.dumps([kind, options.base_url, options.api_key_env, options.decisive()], sort_keys=True)
        if pictures is None or PASSED.get(server, -1) >= pictures:
            continue
        failure = await _failure(options, kind, pictures)
        if failure is not None:
            why = await _explained(options, kind, pictures, failure)
            raise NotReady(f"the VLM server at {options.base_url} (model {options.model!r}) is not ready: {why}")
        PASSED[server] = pictures


class AskedFirst(OpenAIServer):
    """A server that passes its preflight before its first request of a kind, and before one with more pictures."""

    def __init__(self, options: VLMOptions):
        super().__init__(options)
        self._flights: dict[Needs, asyncio.Task] = {}

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
        await self._pass(Needs(json=_pictures(media)))
        return await super().complete(prompt, media, schema, max_tokens=max_tokens, seed=seed, again=again)

    async def log_odds(self, question: Prompt, media: Sequence[Media]) -> LogOdds:
        await self._pass(Needs(yes_no=_pictures(media)))
        return await super().log_odds(question, media)

    async def aclose(self) -> None:
        for task in self._flights.values():
            task.cancel()
        await asyncio.gather(*self._flights.values(), return_exceptions=True)
        await super().aclose()

    async def _pass(self, needs: Needs) -> None:
        # One for all that ask at once, which a caller that gives up does not take from the others.
        flight = self._flights.get(needs) or asyncio.create_task(flown(self.options, needs))
        self._flights[needs] = flight
        await asyncio.shield(flight)


def _pictures(media: Sequence[Media]) -> int:
    return sum(len(medium.frames) if isinstance(medium, Video) else 1 for medium in media)


def _media(pictures: int) -> list[Media]:
    """Plain pictures of different greys, as frames of a video."""
    if not pictures:
        return []
    import numpy as np

    from models.vlm.frames import encoded

    greys = np.linspace(60, 200, pictures).astype(np.uint8)
    frames = encoded(np.broadcast_to(greys[:, None, None, None], (pictures, SIDE_PX, SIDE_PX, 3)), "png")
    return [Video(frames, tuple(number / 2 for number in range(pictures)))]


async def _failure(options: VLMOptions, kind: str, pictures: int) -> VLMUnavailable | None:
    """Asks once, as patiently as the options are with one attempt; why there is no answer that can be used."""
    client = OpenAIServer(options)
    try:
        with noting() as noted:
            async with asyncio.timeout(options.timeout_s):
                if kind == "yes_no":
                    await client.log_odds(prompt("preflight_yes_no"), _media(pictures))
                    return None
                asked = prompt("preflight_json"), _media(pictures), SCHEMA
                answer = await client.complete(*asked, max_tokens=JSON_TOKENS)
                if answer.value is None:
                    answer = await client.complete(*asked, max_tokens=JSON_TOKENS, seed=1, again=True)
                return None if answer.value else VLMUnavailable(answer.error, f"it wrote {answer.text[:200]!r}")
    except VLMUnavailable as error:
        return error
    except TimeoutError:
        return VLMUnavailable(*given_up(options.timeout_s, noted))
    finally:
        await client.aclose()


async def _explained(options: VLMOptions, kind: str, pictures: int, failure: VLMUnavailable) -> str:
    """What is wrong, and what would be right."""
    said = failure.detail.removeprefix(f"{OpenAIServer.named(options)}: ")
    if failure.kind in ("connection", MALFORMED) and (remedy := await _wrong_scheme(options, said)):
        return remedy
    if failure.kind in (NO_ANSWER, TRUNCATED, EMPTY, INVALID_JSON, WRONG_SCHEMA):
        return await _thinking(options, kind) or f"{failure.kind}: {said}. {_in_words(options, kind)}"
    if failure.kind in (*REJECTED, "http_404"):
        return await _rejected(options, kind, pictures, f"{failure.kind}: {said}")
    return f"{failure.kind}: {said}{_remedy(options, failure.kind)}"


def _remedy(options: VLMOptions, kind: str) -> str:
    """What would be right where the kind of a failure alone says it."""
    match kind:
        case "connection":
            return ". Start the server, or correct base_url"
        case "timeout":
            return ". Is it overloaded, or still loading? timeout_s says how long an answer may take"
        case "http_401" | "http_403":
            named = options.api_key_env or "none"
            return f". Name the environment variable that holds its key in api_key_env (now: {named})"
        case "http_429":
            return ". Wait until it takes requests again, or lower `concurrency`"
        case "malformed":
            return ". Is base_url the address of OpenAI's chat completions? It usually ends in /v1"
    return ". Its own log says why" if kind.startswith("http_5") else ""


def _in_words(options: VLMOptions, kind: str) -> str:
    if kind == "json":
        return "Use a server that holds its answers to a JSON Schema (response_format), or a larger model"
    if options.answer == "text":
        return "Raise answer_max_tokens if answers are cut, or use another model"
    return "Use a model that answers in a word, or set `answer: text`. For tests with random weights set `min_mass: 0`"


async def _wrong_scheme(options: VLMOptions, said: str) -> str:
    """Which of http and https would be right; "" where neither is known to be."""
    place = urlsplit(options.base_url)
    if place.scheme == "https":
        return f"it does not speak https: write http://{place.netloc}{place.path}" if "not speak https" in said else ""
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            _, writer = await asyncio.open_connection(place.hostname, place.port or 80, ssl=unverified)
    except (OSError, TimeoutError):
        return ""
    writer.close()
    return f"it speaks https: write https://{place.netloc}{place.path} in base_url"


async def _thinking(options: VLMOptions, kind: str) -> str:
    """What to set where the model thinks before it answers; "" where it does not."""
    client = OpenAIServer(options)
    try:
        async with asyncio.timeout(options.timeout_s):
            message = (await client.chat(prompt(f"preflight_{kind}").text, [], max_tokens=WORDS)).choice.message
    except (VLMUnavailable, TimeoutError):
        return ""
    finally:
        await client.aclose()
    thoughts = message.thoughts or (message.content if "<think" in (message.content or "").lower() else "")
    if not thoughts or options.answer == "text":
        return ""
    off = "it ignores `thinking: false`: " if options.thinking is False else "set `thinking: false`, or "
    return (
        f"the model thinks before it answers ({thoughts[:60]!r} ...): {off}start vLLM with "
        "--default-chat-template-kwargs '{\"enable_thinking\": false}'. If it always thinks, set `answer: text`"
    )


async def _rejected(options: VLMOptions, kind: str, pictures: int, said: str) -> str:
    """Why a server takes the request for wrong: its models are looked up, then it is asked with one thing less."""
    if told := await _unknown_model(options):
        return f"{told}. It says: {said}"
    limit = f"vLLM's --limit-mm-per-prompt '{{\"image\": {pictures}}}'"
    less: list[tuple[dict, int, str]] = []
    if pictures > 1:
        told = f"it takes one picture in a request, but not {pictures}: raise its limit ({limit}), or lower `frames`"
        less.append(({}, 1, told))
    if pictures:
        less.append(({}, 0, "it takes no pictures: serve a vision-language model"))
    if options.thinking is not None:
        less.append(({"thinking": None}, pictures, "it refuses chat_template_kwargs: set `thinking: null`"))
    if options.temperature is not None:
        less.append(({"temperature": None}, pictures, "it refuses the temperature: set `temperature: null`"))
    for change, fewer, told in less:
        failure = await _failure(options.model_copy(update=change), kind, fewer)
        if failure is None or failure.kind not in REJECTED:
            return f"{told}. It says: {said}"
    if kind == "json":
        return f"it refuses response_format json_schema: use a server that gives JSON by a schema. It says: {said}"
    return said


async def _unknown_model(options: VLMOptions) -> str:
    """That the server lists other models, or only at another address; "" where it says neither."""
    longer = f"{options.base_url.rstrip('/')}/v1"
    for base_url in (options.base_url, longer):
        client = OpenAIServer(options.model_copy(update={"base_url": base_url}))
        try:
            names = await client.served()
        except AttemptFailed:
            continue
        finally:
            await client.aclose()
        if base_url == longer:
            return f"base_url lacks its version: write {longer}"
        if names and options.model not in names:
            shown = ", ".join(repr(name[:100]) for name in names[:10]) + (" ..." if len(names) > 10 else "")
            return f"it does not serve the model {options.model!r} but {shown}: set `model`"
        break
    return ""
