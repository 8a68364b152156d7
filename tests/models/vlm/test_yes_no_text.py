"""Judges without log-probabilities: what they write is read, and several answers make log-odds."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.vlm.options import VLMOptions
from models.vlm.protocol import Usage, VLMUnavailable
from models.vlm.yes_no_text import INSTRUCTION, from_answers, said
from tests.models.vlm.test_openai_server import client, judge

SERVED = {"backend": "openai", "base_url": "http://h/v1"}


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        ("yes", True),
        ("No.", False),
        ("**Yes**", True),
        ("The disc moves left. No, wait: it comes back.\nyes", True),
        ("Yes. There is no doubt.", True),
        ("There is no doubt that the task is done.\n\n**Answer: yes**", True),
        ("The answer is no because it stops.", False),
        ('{"answer": "no"}', False),
        ("yes\n\nOn reflection:\n\nno", False),
        ("<think>No, no, no.</think>Yes!", True),
        ("no, no ... </think>\nyes", True),
        ("<think>It is yes. Or", None),
        ("Should I say yes or no?", None),
        ("I cannot know.", None),
        ("There is no way to tell", None),
        ("Yes. It stops at frame no. 5.", True),
        ("Yes. 3 of them move.", True),
        ("Yes, as frames No.3 and No. 4 show.", True),
        ("The answer is not yes.", None),
        ("nothing, yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_the_last_yes_or_no_that_is_an_answer_counts(text, yes):
    assert said(text) is yes


@given(st.text(max_size=80))
def test_a_last_line_with_the_word_alone_settles_it(prose):
    if "<" not in prose:
        assert said(f"{prose}\nyes") is True
        assert said(f"{prose}\nNo.") is False


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=16).filter(any))
def test_log_odds_are_those_of_the_smoothed_share(answers):
    odds = from_answers(answers, Usage())
    valid = [answer for answer in answers if answer is not None]
    share = (sum(valid) + 0.5) / (len(valid) + 1)
    assert odds.value == pytest.approx(math.log(share / (1 - share)))
    assert math.exp(odds.log_p_yes) + math.exp(odds.log_p_no) == pytest.approx(1)
    assert odds.mass == len(valid) / len(answers) and not odds.exact


def test_one_yes_is_log_3():
    assert from_answers([True], Usage()).value == pytest.approx(math.log(3))


def written(*texts, finish="stop"):
    for text in texts:
        answer = {"choices": [{"message": {"content": text}, "finish_reason": finish}]}
        yield "raw=" + json.dumps(answer | {"usage": {"prompt_tokens": 10, "completion_tokens": 5}})


def text_judge(server, **options):
    return client(server, answer="text", thinking=None, temperature=None, max_retries=0, **options)


def test_a_written_answer_asks_for_room_to_think_and_for_no_log_probabilities(server, question, images):
    server.misbehave(*written("The disc stops at the frame.\nyes"))
    odds = judge(text_judge(server), question, images[:1])
    assert odds.value == pytest.approx(math.log(3)) and odds.mass == 1.0
    body = server.bodies[0]
    assert body["max_completion_tokens"] == 4096
    assert not body.keys() & {"logprobs", "top_logprobs", "max_tokens", "temperature", "seed", "chat_template_kwargs"}
    assert body["messages"][0]["content"][-1]["text"] == f"{question.text}\n\n{INSTRUCTION}"
    assert not server.tokenized


def test_several_answers_make_a_share_each_with_a_seed_and_all_are_paid(server, question):
    server.misbehave(*written("yes", "no", "yes", "Hm.", "yes"))
    odds = judge(text_judge(server, answer_samples=5), question)
    assert odds.value == pytest.approx(math.log(3.5 / 1.5))
    assert odds.mass == 0.8
    assert (odds.usage.prompt_tokens, odds.usage.completion_tokens) == (50, 25)
    assert sorted(body["seed"] for body in server.bodies) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("texts", "finish", "said"),
    [
        (["I would say", "Hm", "Well", "yes"], "stop", "no_answer.*0.25"),  # fewer than min_mass
        (["<think>so, yes"] * 4, "length", "no_answer.*cut at answer_max_tokens"),
        (["yes"] * 4, "content_filter", "refused"),
        ([None] * 4, "stop", "no_answer"),
    ],
)
def test_a_judge_that_gives_no_answer_in_words_fails(server, question, texts, finish, said):
    server.misbehave(*written(*texts, finish=finish))
    with pytest.raises(VLMUnavailable, match=said):
        judge(text_judge(server, answer_samples=4), question)


def test_a_failed_sample_is_the_transports_failure(server, question):
    server.misbehave(*written("yes"), "500", *written("yes"))
    with pytest.raises(VLMUnavailable, match="http_500"):
        judge(text_judge(server, answer_samples=3), question)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"backend": "transformers", "answer": "text"}, "answer text"),
        ({"backend": "transformers", "temperature": None}, "temperature null"),
        (
            {"backend": "openai", "base_url": "http://h/v1", "answer_samples": 3, "temperature": None},
            "answer_samples 3",
        ),
        ({"backend": "openai", "base_url": "http://h/v1", "answer": "text", "answer_samples": 3}, "answer_samples 3"),
        ({"backend": "openai", "base_url": "http://h/v1", "min_mass": 1.5}, "min_mass"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, named):
    with pytest.raises(ValidationError, match=named):
        VLMOptions(model="m", **options)


def test_options_of_text_are_part_of_the_models_name_and_defaults_change_no_fingerprint(server):
    assert text_judge(server).model_id == "openai:m;temperature=default;answer=text;samples=1;tokens=4096"
    decisive = VLMOptions(backend="openai", base_url="http://h/v1", model="m").decisive()
    assert not decisive.keys() & {"answer", "answer_samples", "answer_max_tokens", "min_mass"}
    assert VLMOptions(min_mass=0.9).decisive()["min_mass"] == 0.9
