"""What is made of kept answers: both tries of a malformed one, words read again, log-odds kept without a mass."""

import asyncio
import math

import pytest

from models.vlm.failures import MENDABLE
from models.vlm.journaled import Journaled, request_key
from models.vlm.protocol import Completion, Usage, VLMUnavailable
from storage.journal import Journal
from tests.models.vlm.chat_server import SCHEMA
from tests.models.vlm.test_journaled import PROMPT, CountingVLM, ask


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "answers.sqlite") as opened:
        yield opened


@pytest.mark.parametrize("error", MENDABLE)
def test_a_malformed_answer_is_asked_for_once_more_with_another_seed_and_both_tries_are_kept(journal, error):
    async def run():
        vlm = Journaled(CountingVLM(), journal)
        vlm.vlm.answers = [Completion(None, "{", Usage(5, 6), error)]
        return await ask(vlm, seed=4), vlm.vlm.asked, await ask(vlm, seed=4), len(journal)

    first, asked, second, kept = asyncio.run(run())
    assert first == second == Completion({"word": "Say a word."}, "...", Usage(10, 12))
    assert asked == {("Say a word.", 4): 1, ("Say a word.", 5): 1}
    assert kept == 2


def test_a_second_try_that_the_transport_fails_is_asked_for_by_the_next_run_and_the_first_is_not(journal):
    async def run():
        vlm = Journaled(CountingVLM(), journal)
        vlm.vlm.answers = [Completion(None, "{", Usage(5, 6), "invalid_json"), VLMUnavailable("timeout", "...")]
        with pytest.raises(VLMUnavailable):
            await ask(vlm)
        return await ask(vlm), vlm.vlm.asked

    answer, asked = asyncio.run(run())
    assert answer.value
    assert asked == {("Say a word.", 0): 1, ("Say a word.", 1): 2}


def test_words_that_did_not_parse_when_they_were_kept_are_read_again_and_not_asked_again(journal):
    key = request_key("counting:1", "complete", PROMPT, [], SCHEMA, max_tokens=8, seed=0)
    told = {"value": None, "text": 'Sure: {"word": "kept"}}', "usage": {"prompt_tokens": 5, "completion_tokens": 6}}
    journal.put(key, told | {"error": "invalid_json"})
    vlm = Journaled(CountingVLM(), journal)
    assert asyncio.run(ask(vlm)).value == {"word": "kept"}
    assert not vlm.vlm.asked


OLD = {"value": 0.5, "log_p_yes": -1.0, "log_p_no": -1.5, "exact": True, "text": "", "usage": {"prompt_tokens": 3}}


@pytest.mark.parametrize(
    ("stored", "mass"),
    [
        ({}, pytest.approx(math.exp(-1.0) + math.exp(-1.5))),
        ({"exact": False, "log_p_yes": -0.1, "log_p_no": -3.0}, pytest.approx(math.exp(-0.1))),  # the other is a floor
        ({"exact": False, "value": 0.0, "log_p_yes": -0.1, "log_p_no": -0.1}, None),  # its server returned one token
        ({"log_p_yes": -11.0, "log_p_no": -11.5}, None),  # a coin flip of before masses were kept
        ({"mass": 0.4}, None),  # was accepted under another min_mass
        ({"value": 6.0, "log_p_yes": 5.0}, None),  # no probability
        ({"usage": {"prompt_tokens": 3_000_000_000}}, None),  # no table takes it
    ],
)
def test_log_odds_kept_without_a_mass_have_it_computed_and_coin_flips_are_asked_again(journal, stored, mass):
    journal.put(request_key("counting:1", "log_odds", PROMPT, []), OLD | stored)

    async def run():
        vlm = Journaled(CountingVLM(), journal)
        return [await vlm.log_odds(PROMPT, []) for _ in range(2)], vlm.vlm.asked.total()

    (first, second), asked = asyncio.run(run())
    assert first == second
    assert asked == (mass is None)
    assert first.mass == (0.9 if mass is None else mass)


def test_an_answer_that_is_neither_yes_nor_no_is_not_kept(journal):
    class Thinking(CountingVLM):
        async def log_odds(self, question, media):
            self.asked[question.text, 0] += 1
            raise VLMUnavailable("no_answer", "<think>", mass=1e-5)

    async def run():
        vlm = Journaled(Thinking(), journal)
        for _ in range(2):
            with pytest.raises(VLMUnavailable, match="no_answer"):
                await vlm.log_odds(PROMPT, [])
        return vlm.vlm.asked.total()

    assert (asyncio.run(run()), len(journal)) == (2, 0)
