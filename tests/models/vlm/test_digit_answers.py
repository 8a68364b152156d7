"""Published questions that ask for 1 or 0: each backend weighs these, and yes and no where another question asks."""

import asyncio
from dataclasses import replace

import pytest

from models.vlm.answers import log_sum_exp
from models.vlm.openai_server import OpenAIServer
from models.vlm.options import VLMOptions
from models.vlm.protocol import VLMUnavailable
from tests.models.vlm.chat_server import ChatServer, FixedScorer


class Digits(FixedScorer):
    vocabulary = ("yes", "no", "1", " 1", "0", "hm")


def client(server) -> OpenAIServer:
    return OpenAIServer(VLMOptions(backend="openai", base_url=server.base_url, model="m", max_retries=0))


@pytest.mark.parametrize("extensions", ["known", "ignored", "refused"])
def test_a_served_judge_is_asked_for_digits_and_for_words_in_turn(question, extensions):
    digits = replace(question, digits=True)

    async def both(vlm):
        try:
            return [await vlm.log_odds(one, []) for one in (digits, question, digits, question)]
        finally:
            await vlm.aclose()

    with ChatServer(Digits((-1.0, -2.0, -0.9, -3.0, -2.2, -9.0)), extensions=extensions) as server:
        one, yes, again, also = asyncio.run(both(client(server)))
    assert one.value == again.value == pytest.approx(log_sum_exp([-0.9, -3.0]) + 2.2) and one.exact
    assert yes.value == also.value == pytest.approx(-1.0 + 2.0)
    assert not any("logprob_token_ids" in body for body in server.bodies[:1])


def test_a_judge_that_says_yes_where_a_digit_is_asked_for_gives_no_answer(question):
    async def once(vlm):
        try:
            await vlm.log_odds(replace(question, digits=True), [])
        finally:
            await vlm.aclose()

    scorer = Digits((-0.01, -9.0, -6.0, -9.0, -7.0, -9.0))
    with ChatServer(scorer) as server, pytest.raises(VLMUnavailable, match="no_answer"):
        asyncio.run(once(client(server)))
