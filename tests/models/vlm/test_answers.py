"""Pure pieces: what is made of a model's words, of log-probabilities, of headers and of image bytes."""

import json
import math
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.pictures import decode_rgb, mime_type
from models.vlm.answers import answered, completion, log_odds, log_sum_exp, yes_no_ids
from models.vlm.chat_content import content_parts
from models.vlm.openai_wire import Answer, read_log_odds
from models.vlm.protocol import Image, Usage, VLMUnavailable
from models.vlm.retry import retry_after_s, wait_s
from storage.journal import Journal

ANY = {"type": "object"}
LOGPROBS = st.lists(st.floats(-50, 0), min_size=1, max_size=5)


@given(text=st.text(st.characters(codec=None)))
def test_no_text_of_a_model_breaks_a_run_and_whatever_is_accepted_can_be_stored(tmp_path_factory, text):
    for words in (text, json.dumps({"word": text}), '{"word": "' + text + '"}'):
        answer = completion(words, ANY, Usage())
        assert (answer.value is None) == bool(answer.error)
        json.dumps([answer.value, answer.text], ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize(
    "text",
    ['{"a": NaN}', '{"a": -Infinity}', '{"a": 1e999}', '{"a": ' + "9" * 5000 + "}", "[" * 100_000, '{"a": 1', "a"],
)
def test_what_is_no_json_is_named_so(text):
    assert completion(text, ANY, Usage()).error == "invalid_json"


def test_everything_that_is_accepted_goes_into_a_journal(tmp_path):
    nasty = '{"a": "\\u0000 \\ud83d\\ude00 <script>", "b": 1e308, "c": ["\\u2028"]}'
    answer = completion(nasty, ANY, Usage())
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.put("k", answer.value)
        assert journal.get("k") == answer.value


@pytest.mark.parametrize(
    "text", ['```json\n{"a": 1}\n```', '```\n{"a": 1}```', ' {"a": 1}\n', '```JSON\n{"a": 1}\n```\n']
)
def test_a_markdown_fence_around_an_answer_is_taken_off(text):
    assert completion(text, ANY, Usage()).value == {"a": 1}


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_no_answer_is_empty(text):
    assert completion(text, ANY, Usage()).error == "empty"


def test_a_cut_answer_is_cut_even_where_it_happens_to_parse():
    assert completion('{"a": 1}', ANY, Usage(), truncated=True).error == "truncated"


@given(yes=LOGPROBS, no=LOGPROBS)
def test_log_odds_are_the_logarithm_of_the_ratio_of_sums(yes, no):
    odds = log_odds(yes, no, Usage())
    ratio = math.fsum(map(math.exp, yes)) / math.fsum(map(math.exp, no))
    assert odds.value == pytest.approx(math.log(ratio), abs=1e-9)
    assert odds.exact
    assert log_odds(no, yes, Usage()).value == pytest.approx(-odds.value)


def test_a_probability_of_0_is_very_small_and_nan_is_no_answer():
    odds = log_odds([-math.inf], [-0.1, -math.inf], Usage())
    assert (odds.log_p_yes, odds.value) == (-9999.0, pytest.approx(-9998.9))
    assert answered(odds, 0.5).mass == pytest.approx(math.exp(-0.1))
    with pytest.raises(VLMUnavailable, match="NaN") as caught:
        log_odds([math.nan, -1.0], [-2.0], Usage())
    assert caught.value.kind == "malformed" and not caught.value.final


def test_a_token_that_stands_for_yes_and_for_no_is_the_unknown_one():
    class Unknowing:
        def encode(self, word, add_special_tokens):
            return [3]

    with pytest.raises(ValueError, match=r"token 3 .* for yes and for no"):
        yes_no_ids(Unknowing())


def test_tiny_probabilities_do_not_underflow():
    assert log_sum_exp([-9999.0, -9999.0]) == pytest.approx(-9999.0 + math.log(2))


@given(present=st.dictionaries(st.text(max_size=3), st.floats(-30, 0), max_size=15), log_p=st.floats(-30, 0))
def test_a_missing_side_is_never_likelier_than_any_token_that_came(present, log_p):
    candidates = {token: value for token, value in present.items() if token.strip().lower() != "no"} | {"yes": log_p}
    odds = read_log_odds(candidates, [], [], Usage())
    assert not odds.exact
    assert odds.log_p_no <= min(candidates.values())
    assert math.exp(odds.log_p_no) <= max(1 - math.exp(odds.log_p_yes), 1e-6) * (1 + 1e-3)


@pytest.mark.parametrize(("others", "no"), [({}, 0.1), ({" yes": 0.05}, 0.05), ({"The": 0.02}, 0.02)])
def test_a_server_that_returns_few_tokens_is_no_coin_flip(others, no):
    """Its least likely token would be the yes itself: log-odds of 0, whatever the model thinks."""
    shares = {"yes": 0.9} | others
    yes = sum(shares[token] for token in shares if token.strip() == "yes")
    for swap in (False, True):
        names = {"yes": "no", " yes": " no"} if swap else {}
        candidates = {names.get(token, token): math.log(share) for token, share in shares.items()}
        odds = read_log_odds(candidates, [], [], Usage())
        assert abs(odds.value) == pytest.approx(math.log(yes / no)) and (odds.value < 0) is swap


def test_a_server_that_returns_one_certain_token_gives_finite_log_odds():
    assert read_log_odds({"yes": 0.0}, [], [], Usage()).value == pytest.approx(math.log(1e6))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"choices": null}',
        '{"choices": [{}]}',
        '{"choices": [{"message": {"content": 7}}]}',
        '{"choices": [{"message": {}, "logprobs": {"content": [{"token": "a", "top_logprobs": [{"token": "a", '
        '"logprob": NaN}]}]}}]}',
        '{"choices": [{"message": {}}], "usage": {"prompt_tokens": -1}}',
    ],
)
def test_what_is_no_chat_completion_is_refused_at_the_border(text):
    with pytest.raises(ValueError, match="validation error"):
        Answer.model_validate_json(text)


def test_an_answer_may_leave_out_what_is_optional():
    answer = Answer.model_validate_json('{"choices": [{"message": {"content": null}}], "more": 1}')
    assert answer.tokens == Usage(0, 0)
    assert answer.candidates == {}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": formatdate(0, usegmt=True)}, 0.0),
        ({}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": ""}, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(headers, seconds):
    assert retry_after_s(headers) == seconds


def test_a_date_in_the_future_is_waited_for():
    import time

    assert 3000 < retry_after_s({"retry-after": formatdate(time.time() + 3600, usegmt=True)}) <= 3600


@given(attempt=st.integers(0, 2000), chance=st.floats(0, 1, exclude_max=True), asked=st.none() | st.floats(0, 1e9))
def test_waits_grow_and_stay_within_bounds(attempt, chance, asked):
    wait = wait_s(attempt, asked, 0.5, 30.0, chance)
    if asked is None:
        assert min(30.0, 0.5 * 2.0 ** min(attempt, 60)) / 2 <= wait <= 30.0
    else:
        assert min(asked, 300.0) <= wait <= 300.5


def test_images_are_told_by_their_bytes(images):
    assert [mime_type(image.data) for image in images[:2]] == ["image/jpeg", "image/png"]
    assert decode_rgb(images[0].data).size == (64, 48)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"RIFF....WEBP", b"\xff\xd8\xff broken", b"\x89PNG\r\n\x1a\n"])
def test_broken_or_other_images_are_named(data):
    with pytest.raises(ValueError, match=f"an image of {len(data)} bytes"):
        decode_rgb(data)


def test_text_comes_last(images):
    parts = content_parts("Look.", images[:2])
    assert [part["type"] for part in parts] == ["image_url", "image_url", "text"]
    assert content_parts("Look.", [Image(images[0].data)]) == [parts[0], parts[2]]


def test_a_question_for_digits_weighs_one_against_zero_alone():
    names = {"1": -0.2, " 1": -3.0, "0": -2.0, "yes": -2.5, "no": -1.9}
    odds = read_log_odds(names, [], [], Usage(), digits=True)
    assert odds.value == pytest.approx(math.log(math.exp(-0.2) + math.exp(-3.0)) + 2.0) and odds.exact
    assert read_log_odds(names, [], [], Usage()).value == pytest.approx(-2.5 + 1.9)
    with pytest.raises(VLMUnavailable, match="no_answer"):
        read_log_odds({"yes": -0.1, "no": -3.0}, [], [], Usage(), digits=True)
