"""No answer is paid for twice: not after a kill, not by two askers at once."""

import asyncio
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from models.vlm.journaled import Journaled, request_key
from models.vlm.openai_server import OpenAIServer
from models.vlm.options import VLMOptions
from models.vlm.protocol import Completion, Image, LogOdds, Prompt, Usage, Video, VLMUnavailable
from storage.journal import Journal
from tests.models.vlm.ask_thirty import KEYS, PROMPTS
from tests.models.vlm.chat_server import SCHEMA, ChatServer

PROMPT = Prompt("words", 1, "0" * 16, "Say a word.")


class CountingVLM:
    """Answers at its gate, counts, and fails on command."""

    model_id, min_mass = "counting:1", 0.5

    def __init__(self):
        self.asked, self.cancelled, self.closed = Counter(), 0, False
        self.answers: list = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def complete(self, prompt, media, schema, *, max_tokens, seed=0, again=False):
        self.asked[prompt.text, seed] += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        answer = self.answers.pop(0) if self.answers else Completion({"word": prompt.text}, "...", Usage(5, 6))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def log_odds(self, question, media):
        self.asked[question.text, 0] += 1
        return LogOdds(0.5, -1.0, -1.5, True, Usage(3, 1), mass=0.9)

    async def aclose(self):
        self.closed = True


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "answers.sqlite") as opened:
        yield opened


def ask(vlm, prompt=PROMPT, seed=0):
    return vlm.complete(prompt, [], SCHEMA, max_tokens=8, seed=seed)


def test_a_second_run_asks_nothing_and_reports_the_same_answers_and_tokens(journal):
    async def run():
        vlm = Journaled(CountingVLM(), journal)
        answers = [await ask(vlm), await vlm.log_odds(PROMPT, [])]
        return answers, vlm

    first, vlm = asyncio.run(run())
    assert (vlm.hits, vlm.misses, vlm.vlm.asked.total()) == (0, 2, 2)
    second, vlm = asyncio.run(run())
    assert (vlm.hits, vlm.misses, vlm.vlm.asked.total()) == (2, 0, 0)
    assert first == second


@pytest.mark.parametrize("error", ["truncated", "invalid_json", "wrong_schema", "refused", "empty"])
def test_the_models_own_failures_are_kept(journal, error):
    async def run():
        vlm = Journaled(CountingVLM(), journal)
        vlm.vlm.answers = [Completion(None, "half an ans", Usage(5, 6), error)] * 2
        return await ask(vlm), await ask(vlm), vlm

    first, second, vlm = asyncio.run(run())
    tries = 1 if error == "refused" else 2
    assert first == second == Completion(None, "half an ans", Usage(5 * tries, 6 * tries), error)
    assert vlm.vlm.asked.total() == vlm.hits == tries


def test_failures_of_the_transport_are_not_kept(journal):
    async def run():
        vlm = Journaled(CountingVLM(), journal)
        vlm.vlm.answers = [VLMUnavailable("timeout", "...")]
        with pytest.raises(VLMUnavailable):
            await ask(vlm)
        assert len(journal) == 0
        return await ask(vlm)

    assert asyncio.run(run()).value == {"word": "Say a word."}


def test_identical_requests_in_flight_are_asked_once(journal):
    async def run():
        vlm = Journaled(CountingVLM(), journal)
        answers = await asyncio.gather(*(ask(vlm) for _ in range(5)), ask(vlm, seed=1))
        return answers, vlm

    answers, vlm = asyncio.run(run())
    assert len(answers) == 6
    assert (vlm.misses, vlm.joined, vlm.hits) == (2, 4, 0)
    assert vlm.vlm.asked == {("Say a word.", 0): 1, ("Say a word.", 1): 1}


def test_one_askers_cancellation_does_not_take_the_answer_from_another(journal):
    async def run():
        vlm = Journaled(CountingVLM(), journal)
        vlm.vlm.gate.clear()
        first, second = asyncio.create_task(ask(vlm)), asyncio.create_task(ask(vlm))
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.sleep(0.01)
        vlm.vlm.gate.set()
        return await second, first, vlm.vlm

    answer, first, vlm = asyncio.run(run())
    assert answer.value
    assert first.cancelled()
    assert (vlm.asked.total(), vlm.cancelled) == (1, 0)


def test_a_request_that_nobody_waits_for_any_more_is_cancelled_and_can_be_asked_anew(journal):
    async def run():
        vlm = Journaled(CountingVLM(), journal)
        vlm.vlm.gate.clear()
        tasks = [asyncio.create_task(ask(vlm)) for _ in range(2)]
        await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        vlm.vlm.gate.set()
        return await ask(vlm), vlm.vlm

    answer, vlm = asyncio.run(run())
    assert answer.value
    assert (vlm.asked.total(), vlm.cancelled) == (2, 1)


def test_the_key_changes_with_everything_that_decides_an_answer_and_with_nothing_else():
    image, other = Image(b"\xff\xd8\xff1"), Image(b"\xff\xd8\xff2")
    video = Video((image.data, other.data), (0.0, 1.0))

    def key(model="m", verb="complete", text="text", media=(image,), schema=SCHEMA, fields=None, **parameters):
        prompt = Prompt("words", 1, "0" * 16, text, fields or {})
        return request_key(model, verb, prompt, list(media), schema, **{"max_tokens": 8, "seed": 0, **parameters})

    keys = [
        key(),
        key(model="m;temperature=0.5"),
        key(verb="log_odds"),
        key(text="text."),
        key(media=(other,)),
        key(media=(image, other)),
        key(media=(other, image)),
        key(media=(video,)),
        key(media=(Video(video.frames, (0.0, 2.0)),)),
        key(schema={"type": "object"}),
        key(max_tokens=9),
        key(seed=1),
    ]
    assert len(set(keys)) == len(keys)
    assert key() == key(fields={"count": "8"}), "the filled-in text is what is asked"
    assert key(schema=dict(reversed(SCHEMA.items()))) == key()


def test_closing_closes_the_model_and_leaves_the_journal_open(journal):
    async def run():
        vlm = Journaled(CountingVLM(), journal)
        await vlm.aclose()
        return vlm.vlm.closed

    assert asyncio.run(run())
    assert len(journal) == 0


def test_the_servers_key_is_not_in_the_journal(tmp_path, server, monkeypatch):
    monkeypatch.setenv("MY_SERVER_KEY", "sk-very-secret")

    async def run(journal):
        options = VLMOptions(backend="openai", base_url=server.base_url, model="m", api_key_env="MY_SERVER_KEY")
        vlm = Journaled(OpenAIServer(options), journal)
        await ask(vlm)
        await vlm.log_odds(PROMPT, [])
        await vlm.aclose()

    with Journal(tmp_path / "answers.sqlite") as journal:
        asyncio.run(run(journal))
        assert len(journal) == 2
    assert not any(b"sk-very-secret" in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.slow
def test_a_killed_run_pays_for_no_finished_request_twice(tmp_path):
    script, path = Path(__file__).with_name("ask_thirty.py"), tmp_path / "answers.sqlite"
    chance = random.Random(7)
    numbers = {prompt.text: number for number, prompt in enumerate(PROMPTS)}
    kills = 0
    with ChatServer(delay_s=0.03) as server:

        def asked():
            return Counter(
                numbers[body["messages"][0]["content"][-1]["text"].split("\n")[0]] for body in list(server.bodies)
            )

        paid_for: dict[int, int] = {}
        for _ in range(12):
            run = subprocess.Popen([sys.executable, script, server.base_url, path])
            if kills < 3:
                wanted = len(server.answered) + chance.randint(2, 9)
                while run.poll() is None and len(server.answered) < wanted:
                    time.sleep(0.002)
                time.sleep(chance.random() * 0.03)
                run.send_signal(signal.SIGKILL)
            kills += run.wait(60) == -signal.SIGKILL
            while server.in_flight:
                time.sleep(0.01)
            now = asked()
            assert {number: now[number] for number in paid_for} == paid_for, "a kept answer was asked for again"
            with Journal(path) as journal:
                kept = {key for key, _ in journal.items()}
            paid_for = {number: now[number] for number, key in enumerate(KEYS) if key in kept}
            # Each kill loses at most the four requests in flight.
            assert now.total() - len(kept) <= 4 * kills
            if run.returncode == 0:
                break
    assert (run.returncode, kills, len(kept)) == (0, 3, 30)
