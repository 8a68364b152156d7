"""While a server answers nothing the log says so now and then, and what is given up names its true cause."""

import asyncio
import logging
import re

import pytest

from models.vlm import asking, silence
from models.vlm.asking import AskOptions, ask
from models.vlm.openai_server import OpenAIServer
from models.vlm.options import VLMOptions
from models.vlm.protocol import Prompt
from tests.models.vlm.chat_server import SCHEMA, ChatServer
from tests.models.vlm.limits import end_by, until

PROMPT = Prompt("words", 1, "0" * 16, "Say a word.")


@pytest.fixture
def lines(caplog, monkeypatch):
    """The log's lines so far. A line is due after a twentieth of a second, or sooner than a busy machine is ready."""
    monkeypatch.setattr(silence, "EVERY_S", 0.05)
    caplog.set_level(logging.WARNING, logger="wmsd")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.fixture
def gone() -> str:
    """The address of a server that was there."""
    with ChatServer() as server:
        pass
    return server.base_url


def client(address: str, **more) -> OpenAIServer:
    quick = {"timeout_s": 20.0, "backoff_s": 0.001, "backoff_max_s": 0.01, "max_retries": 2}
    return OpenAIServer(VLMOptions(backend="openai", base_url=address, model="m", **{**quick, **more}))


def while_asking(vlm: OpenAIServer, requests: int, condition) -> None:
    """Asks at once and gives up when `condition` holds."""

    async def run():
        asked = [asyncio.create_task(vlm.complete(PROMPT, [], SCHEMA, max_tokens=9)) for _ in range(requests)]
        try:
            await until(condition)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            await vlm.aclose()

    asyncio.run(run())


def test_requests_that_hang_are_told_again_and_again(server, lines):
    server.misbehave(*["hang"] * 3)
    told = re.compile(r"has answered nothing for \d+ s: 3 wait for it\. The last error: none, no request has ended$")
    while_asking(client(server.base_url), 3, lambda: sum(bool(told.search(line)) for line in lines()) >= 3)
    assert all(server.base_url in line for line in lines())


def test_the_first_failed_attempt_is_told_at_once_and_the_cause_now_and_then(gone, lines):
    patient = client(gone, max_retries=50, backoff_s=0.01, backoff_max_s=0.02)
    refused = "connection: connection refused: nothing listens at this address"
    again = f"2 wait for it. The last error: {refused}"
    while_asking(patient, 2, lambda: sum(line.endswith(again) for line in lines()) >= 3)
    assert sum(line.endswith(f"has not answered yet: {refused}. It is asked again") for line in lines()) == 1


def test_a_server_for_which_nobody_waits_is_not_told_of(server, lines, monkeypatch):
    monkeypatch.setattr(silence, "EVERY_S", 60.0)

    async def run():
        vlm = client(server.base_url)
        await vlm.complete(PROMPT, [], SCHEMA, max_tokens=9)
        monkeypatch.setattr(silence, "EVERY_S", 0.01)
        await asyncio.sleep(0.1)
        await vlm.aclose()

    asyncio.run(run())
    assert lines() == []


def test_a_later_failure_is_no_first_one(server, lines):
    async def run():
        vlm = client(server.base_url)
        await vlm.complete(PROMPT, [], SCHEMA, max_tokens=9)
        server.misbehave("503", "hang")
        late = asyncio.create_task(vlm.complete(PROMPT, [], SCHEMA, max_tokens=9))
        await until(lambda: any("1 wait for it. The last error: http_503" in line for line in lines()))
        late.cancel()
        await asyncio.gather(late, return_exceptions=True)
        await vlm.aclose()

    asyncio.run(run())
    assert not any("has not answered yet" in line for line in lines())


def asked(vlm: OpenAIServer):
    options = AskOptions(retries=1, retry_wait_s=0.0, timeout_s=7)

    async def run():
        try:
            return await ask(vlm, Prompt("q", 1, "0" * 16, "Yes or no?"), [], asyncio.Semaphore(1), options)
        finally:
            await vlm.aclose()

    return asyncio.run(run())


@pytest.mark.parametrize("samples", [0, 1, 3])
def test_a_time_limit_does_not_hide_a_refused_connection(gone, monkeypatch, samples):
    end_by(monkeypatch, asking)
    written = {"answer": "text", "answer_samples": samples, "temperature": 1.0} if samples else {}
    outcome = asked(client(gone, max_retries=50, backoff_s=1.0, backoff_max_s=9.0, **written))
    assert outcome.attempts == 2 and outcome.failure.kind == "connection"
    assert outcome.failure.detail == (
        "no answer after 7 s, the last attempt: connection refused: nothing listens at this address"
    )


def test_a_time_limit_does_not_hide_a_server_that_asks_for_patience(server, monkeypatch):
    end_by(monkeypatch, asking)
    server.misbehave(*["429=60"] * 2)
    outcome = asked(client(server.base_url, backoff_max_s=30.0))
    assert outcome.failure.kind == "http_429" and "the last attempt: Too Many Requests" in outcome.failure.detail


def test_a_server_that_hangs_is_a_time_out_and_a_failure_of_an_attempt_before_is_not_its_cause(server, monkeypatch):
    end_by(monkeypatch, asking, lambda noted: noted or len(server.bodies) == 2)
    server.misbehave("503=60", "hang")
    outcome = asked(client(server.base_url, backoff_max_s=30.0))
    assert (outcome.failure.kind, outcome.failure.detail) == ("timeout", "no answer after 7 s")
