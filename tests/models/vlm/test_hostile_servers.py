"""Servers that send numbers out of range, answers without end, redirects, or our own key: named, bounded, not kept."""

import asyncio
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.vlm.journaled import Journaled
from models.vlm.openai_wire import Answer
from models.vlm.protocol import VLMUnavailable
from storage.journal import Journal
from tests.models.vlm.chat_server import GOOD, SCHEMA, ChatServer, FixedScorer
from tests.models.vlm.test_openai_server import PROMPT, ask, client, judge


def raw(usage='{"prompt_tokens": 1}', logprobs="null", message='{"content": "x"}'):
    return f'{{"choices": [{{"message": {message}, "logprobs": {logprobs}}}], "usage": {usage}}}'


def odds(number):
    return raw(logprobs=f'{{"content": [{{"token": "a", "top_logprobs": [{{"token": "yes", "logprob": {number}}}]}}]}}')


OUT_OF_RANGE = [
    *(raw(f'{{"prompt_tokens": {count}}}') for count in ("3000000000", "-1", "1e400", "NaN", "true", '"7"', "0.5")),
    *(raw(f'{{"completion_tokens": {count}}}') for count in ("2147483648", "-9", "1" + "0" * 400)),
    *(odds(number) for number in ("0.5", "5.0", "1e308", "-1e308", "NaN", "Infinity", "-Infinity", "true", '"-1"')),
]


@pytest.mark.parametrize("text", OUT_OF_RANGE)
@pytest.mark.parametrize("verb", ["complete", "log_odds"])
def test_numbers_out_of_range_are_malformed_and_never_kept(server, tmp_path, text, verb):
    server.misbehave(*[f"raw={text}"] * 3)
    vlm = client(server)
    with Journal(tmp_path / "j.sqlite") as journal:

        async def run():
            kept = Journaled(vlm, journal)
            try:
                if verb == "complete":
                    await kept.complete(PROMPT, [], SCHEMA, max_tokens=9)
                else:
                    await kept.log_odds(PROMPT, [])
            finally:
                await vlm.aclose()

        with pytest.raises(VLMUnavailable) as caught:
            asyncio.run(run())
        assert caught.value.kind == "malformed"
        assert len(journal) == 0


@given(st.floats(allow_nan=True, allow_infinity=True) | st.integers() | st.booleans() | st.text(max_size=5))
def test_a_log_probability_is_a_number_from_0_down(number):
    try:
        answer = Answer.model_validate_json(odds(json.dumps(number)))
    except ValidationError:
        return
    assert not isinstance(number, bool | str) and number <= 1e-4
    assert -9999.0 <= answer.candidates["yes"] <= 0.0


def test_tokens_of_one_text_add_up_and_one_listed_twice_counts_once(server, question):
    """A SentencePiece vocabulary shows "yes" and "▁yes" alike."""
    shares = [("yes", 0.1), ("no", 0.2), ("yes", 0.6), ("no", 0.02), ("yes", 0.1)]
    tokens = [{"token": token, "logprob": math.log(share)} for token, share in shares]
    server.tokenize = False
    for listed in (tokens, tokens[::-1]):
        content = {"content": [{"token": "yes", "top_logprobs": listed}]}
        server.misbehave(f"raw={raw(logprobs=json.dumps(content))}")
        odds = judge(client(server), question)
        assert odds.value == pytest.approx(math.log(0.7 / 0.22)) and odds.mass == pytest.approx(0.92)


def test_log_probabilities_that_are_null_are_none(server, question):
    server.misbehave(f"raw={raw(logprobs=json.dumps({'content': [{'token': 'yes', 'top_logprobs': None}]}))}")
    with pytest.raises(VLMUnavailable, match="no_logprobs"):
        judge(client(server), question)


def test_a_tokenizer_that_knows_neither_word_is_not_asked_by_its_ids(question):
    """One id for all words is that of the unknown one: its odds against itself would be 0, exactly, each time."""
    scorer = FixedScorer()
    scorer.tokenize = lambda text: [6]
    with ChatServer(scorer) as server:
        assert judge(client(server), question).value == pytest.approx(0.5943442769261575)
        assert "logprob_token_ids" not in server.bodies[-1]


def test_probabilities_that_add_up_to_more_than_all_are_malformed(question):
    with (
        ChatServer(FixedScorer([0.0] * 7)) as server,
        pytest.raises(VLMUnavailable, match=r"malformed: .*yes and no add up to 5"),
    ):
        judge(client(server), question)


@pytest.mark.parametrize(
    "behaviour", ["endless", "endless=500", "gzip", "packed=br", "packed=gzip, gzip", "packed=gzip"]
)
def test_an_answer_has_a_size_however_it_is_packed(server, behaviour):
    import resource

    server.misbehave(behaviour)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(VLMUnavailable) as caught:
        ask(client(server, max_retries=0))
    assert caught.value.kind == "malformed"
    assert server.sent < 64e6
    if behaviour != "gzip":  # the test's own server holds 600 MB while it packs them
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


# Python has codecs under these names: they give no text, unpack without limit, or take minutes.
CHARSETS = ["zlib", "bz2", "hex", "base64", "rot13", "uu", "punycode", "idna", "undefined", "utf-16", "no such thing"]


@pytest.mark.parametrize("charset", CHARSETS)
def test_an_answer_is_read_as_utf8_whatever_charset_its_server_names(server, charset):
    server.misbehave(f"charset={charset}", f"charset={charset}=400")
    assert ask(client(server)).value == {"word": "hello"}
    with pytest.raises(VLMUnavailable, match=r"http_400: .*hello"):
        ask(client(server))


@pytest.mark.parametrize("value", ["é", "\xa0\xff", "\x80"])
def test_a_header_may_hold_any_bytes(server, value):
    server.misbehave(f"header={value}")
    assert ask(client(server)).value == {"word": "hello"}


def test_a_packed_answer_of_ordinary_size_is_read(server):
    server.misbehave("gzip=" + raw(message=json.dumps({"content": GOOD})))
    assert ask(client(server)).value == {"word": "hello"}


@pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
def test_redirects_are_not_followed_and_name_their_host(server, status):
    with ChatServer() as other:
        server.misbehave(f"redirect={status}={other.base_url}/chat/completions?a=b")
        with pytest.raises(VLMUnavailable, match=r"malformed: .*127\.0\.0\.1:\d+.*redirects are not followed"):
            ask(client(server))
        assert not other.bodies and len(server.bodies) == 1


@pytest.mark.parametrize("place", ["file:///etc/passwd", "http://user:pw@[::1", "", "//x" * 9000])
def test_odd_redirects_are_no_crash(server, place):
    server.misbehave(f"redirect=302={place}")
    with pytest.raises(VLMUnavailable) as caught:
        ask(client(server))
    assert caught.value.kind in ("malformed", "connection") and len(str(caught.value)) < 1000
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("tokenize", ["hang", "500", "503", "404", "501"])
def test_a_tokenize_that_fails_is_tried_once_and_does_not_hold_up_others(question, monkeypatch, tokenize):
    monkeypatch.setattr("models.vlm.openai_server.TOKENIZE_S", 0.5)
    with ChatServer(tokenize=tokenize) as server:
        vlm = client(server, max_retries=4, backoff_s=5.0, backoff_max_s=30.0)

        async def twenty():
            answers = await asyncio.gather(*(vlm.log_odds(question, []) for _ in range(20)))
            await vlm.aclose()
            return answers

        answers = asyncio.run(twenty())
        assert len(server.tokenized) == 1 and len(set(answers)) == 1
        assert vlm.traffic.retried.total() == 0 and len(server.bodies) == 20  # nothing was waited for and asked again
        assert "logprob_token_ids" not in server.bodies[-1]


@pytest.mark.parametrize(
    "message",
    [
        {"content": '{"word": "sk-very/secret-key"}'},
        {"content": '{"word": "\\u0073k-very\\/secret-key"}'},  # escaped once more, within the answer's own JSON
        {"content": None, "refusal": "Not with sk-very/secret-key!"},
        {"content": "sk-very/secret-key", "reasoning_content": '{"word": "sk-very/secret-key"}'},
        {"content": None, "reasoning": '{"word": "sk-very/secret-key"}'},
    ],
)
def test_a_key_that_the_server_echoes_reaches_no_answer_no_error_and_no_journal(server, tmp_path, monkeypatch, message):
    monkeypatch.setenv("MY_SERVER_KEY", "sk-very/secret-key")
    token = {"token": "sk-very/secret-key", "logprob": 0}
    tokens = {"content": [token | {"top_logprobs": [token]}]}
    told = {"choices": [{"message": message, "logprobs": tokens}]}
    server.misbehave(*[f"raw={json.dumps(told)}"] * 3)
    vlm = client(server, api_key_env="MY_SERVER_KEY")
    shown = []

    async def run(journal):
        kept = Journaled(vlm, journal)
        shown.append(repr(await kept.complete(PROMPT, [], SCHEMA, max_tokens=9)))
        try:
            await kept.log_odds(PROMPT, [])
        except VLMUnavailable as error:
            shown.append(f"{error} {error.text} {error.detail}")
        await vlm.aclose()

    with Journal(tmp_path / "j.sqlite") as journal:
        asyncio.run(run(journal))
        shown += [json.dumps(value) for _, value in journal.items()]
    assert len(shown) >= 3
    assert not any("sk-very" in text or "secret-key" in text for text in shown)


def test_blanks_until_the_limit_are_truncated_whatever_the_server_calls_their_end(server):
    for finish in ("length", "stop"):
        blank = {"choices": [{"message": {"content": " \n\n "}, "finish_reason": finish}]}
        server.misbehave("raw=" + json.dumps(blank | {"usage": {"completion_tokens": 64}}))
        assert ask(client(server)).error == "truncated"
