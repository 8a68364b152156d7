"""Posting to one server, patiently and warily: attempts, deadlines, limits, and errors that name what happened."""

import asyncio
import itertools
import random
import socket
import ssl
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pydantic

from models.vlm.api_key import check_key, key_of, without_key
from models.vlm.failures import MALFORMED
from models.vlm.openai_wire import Answer
from models.vlm.options import VLMOptions
from models.vlm.other_model import tell_other_model
from models.vlm.protocol import VLMUnavailable
from models.vlm.retry import AttemptFailed, retry_after_s, wait_s
from models.vlm.silence import Silence

Checked = TypeVar("Checked", bound=pydantic.BaseModel)

RETRIED_STATUSES = {408, 409, 429}
OPENAI = ".openai.com"  # the end of the hosts to which the names of the user's organization and project go
INTERRUPTED = ("abort", "error")  # vLLM's finish reasons for answers that broke off on its side


@dataclass
class Traffic:
    """What the client did, for the report: requests sent, retries and final failures by kind, seconds spent waiting."""

    sent: int = 0
    retried: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    waited_s: float = 0.0


class Posting:
    """A connection to the server of `options`; `name` stands for it in errors. For one event loop.

    Raises ValueError when the environment variable of the key is not set.
    """

    def __init__(self, options: VLMOptions, name: str):
        from openai import AsyncOpenAI, Timeout

        from models.vlm.bounded_http import BoundedClient

        check_key(options.api_key_env)
        self.options, self.name, self.traffic, self.silence = options, name, Traffic(), Silence(name)
        self._connect_s = min(10.0, options.timeout_s)
        patience = Timeout(options.timeout_s, connect=self._connect_s)
        self._client = AsyncOpenAI(
            base_url=options.base_url,
            api_key=key_of(options.api_key_env),
            max_retries=0,
            timeout=patience,
            default_headers={"Accept-Encoding": "gzip, deflate"},
            http_client=BoundedClient(base_url=options.base_url, timeout=patience),
        )

        if not f".{urlsplit(options.base_url).hostname}".endswith(OPENAI):
            # Read from OPENAI_ORG_ID and OPENAI_PROJECT_ID, and nobody else's business.
            self._client.organization = self._client.project = None

    @property
    def key(self) -> str:
        return self._client.api_key

    async def aclose(self) -> None:
        await self._client.close()

    async def post(self, url: str, body: dict[str, Any], expected: type[Checked]) -> Checked:
        """Posts until an answer fits `expected`, waits between attempts. Raises VLMUnavailable."""
        with self.silence.waiting():
            for attempt in itertools.count():
                try:
                    return await self.attempt(url, body, expected, self.options.timeout_s)
                except AttemptFailed as error:
                    await self.wait(attempt, error)

    async def wait(self, attempt: int, error: AttemptFailed) -> None:
        """Waits after a failed `attempt` (0-based). Raises VLMUnavailable when it was the last one."""
        if attempt == self.options.max_retries or not error.retried:
            self.traffic.failed[error.kind] += 1
            after = f" after {attempt + 1} attempts" if attempt else ""
            raise VLMUnavailable(error.kind, f"{self.name}{after}: {error.detail}") from None
        self.traffic.retried[error.kind] += 1
        self.silence.failed(error)
        first_s, longest_s = self.options.backoff_s, self.options.backoff_max_s
        wait = wait_s(attempt, error.retry_after_s, first_s, longest_s, random.random())
        self.traffic.waited_s += wait
        await asyncio.sleep(wait)

    async def attempt(self, url: str, body: dict[str, Any] | None, expected: type[Checked], limit_s: float) -> Checked:
        """One attempt within `limit_s` seconds to the answer's last byte; a GET where there is no body. Raises
        AttemptFailed."""
        import httpx2
        import openai

        from models.vlm.bounded_http import Unreadable

        self.traffic.sent += 1
        try:
            async with asyncio.timeout(limit_s):
                if body is None:
                    text = (await self._client.get(url, cast_to=httpx2.Response)).text
                else:
                    text = (await self._client.post(url, cast_to=httpx2.Response, body=body)).text
        except (TimeoutError, openai.APITimeoutError) as error:
            if isinstance(error.__cause__, httpx2.ConnectTimeout):
                raise AttemptFailed("connection", f"nobody took the connection in {self._connect_s:g} s") from None
            raise AttemptFailed("timeout", f"no whole answer within {limit_s:g} s") from None
        except openai.APIStatusError as error:
            raise self._refused(error) from None
        except openai.APIConnectionError as error:
            raise AttemptFailed("connection", self.shown(_unconnected(error), 500)) from None
        except Unreadable as error:
            raise AttemptFailed(MALFORMED, self.shown(str(error), 500)) from None
        try:
            answer = expected.model_validate_json(text)
        except pydantic.ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
            detail = f"{expected.__name__}: {problems} in {self.shown(text, 200)!r}"
            raise AttemptFailed(MALFORMED, without_key(detail, self.key)) from None
        if isinstance(answer, Answer):
            if answer.choice.finish_reason in INTERRUPTED:
                raise AttemptFailed("interrupted", f"finish_reason {answer.choice.finish_reason!r}")
            answer.blot(self.key)
            tell_other_model(self.name, self.options.model, answer.model)
        self.silence.answered()
        return answer

    def shown(self, text: str, most: int) -> str:
        """The beginning of what a server said. The key goes first, so that no half of it stays."""
        return without_key(text, self.key)[:most]

    def _refused(self, error) -> AttemptFailed:
        """What another status than 200 comes to."""
        status, response = error.status_code, error.response
        if 300 <= status < 400:
            host = self.shown(_host(response.headers.get("location", "")), 200)
            said = f"status {status} sends to the host {host!r}: redirects are not followed, name the server itself"
            return AttemptFailed(MALFORMED, said, retried=False)
        retried = status in RETRIED_STATUSES or status >= 500
        detail = f"{self.shown(response.reason_phrase, 100)}: {self.shown(response.text, 500)}"
        return AttemptFailed(f"http_{status}", detail, retry_after_s(response.headers), retried)


def _host(location: str) -> str:
    """Where a Location leads; without a user's name and password."""
    try:
        return urlsplit(location).netloc.rpartition("@")[2]
    except ValueError:
        return "?"


def _unconnected(error: Exception) -> str:
    """Why there is no connection, in the words of what failed first: libraries say "all attempts failed"."""
    chain: list[BaseException] = [error]
    while cause := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(cause.exceptions[-1] if isinstance(cause, ExceptionGroup) else cause)  # one for each address
    for cause in reversed(chain):
        match cause:
            case ConnectionRefusedError():
                return "connection refused: nothing listens at this address"
            case socket.gaierror():
                return f"the host's name is not known: {cause.strerror}"
            case ssl.SSLCertVerificationError():
                return f"TLS: the server's certificate is not accepted: {cause.verify_message}"
            case ssl.SSLError(reason="WRONG_VERSION_NUMBER"):
                return "TLS: the server does not speak https"
    return f"{error} {error.__cause__ or ''}".strip()
