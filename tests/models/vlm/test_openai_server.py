"""What the HTTP client makes of servers that behave, and of servers that do not."""

import asyncio
import json
import logging
import math
import traceback

import pytest

from models.vlm.openai_server import OpenAIServer
from models.vlm.options import VLMOptions
from models.vlm.protocol import Image, Prompt, VLMUnavailable
from tests.models.vlm.chat_server import GOOD, SCHEMA, ChatServer, FixedScorer

PROMPT = Prompt("words", 1, "0" * 16, "Say a word.")


def client(server, **options):
    defaults = {"timeout_s": 20.0, "backoff_s": 0.001, "backoff_max_s": 0.01, "max_retries": 2}
    return OpenAIServer(VLMOptions(backend="openai", base_url=server.base_url, model="m", **{**defaults, **options}))


def ask(vlm, media=(), **options):
    async def once():
        try:
            return await vlm.complete(PROMPT, media, SCHEMA, max_tokens=64, **options)
        finally:
            await vlm.aclose()

    return asyncio.run(once())


def judge(vlm, question, media=(), times=1):
    async def several():
        try:
            return [await vlm.log_odds(question, media) for _ in range(times)][-1]
        finally:
            await vlm.aclose()

    return asyncio.run(several())


def test_an_answer_is_a_validated_object_with_its_tokens(server):
    answer = ask(client(server))
    assert answer.value == {"word": "hello"}
    assert (answer.text, answer.error) == (GOOD, "")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (11, 7)


def test_the_request_says_all_that_the_answer_depends_on(server):
    ask(client(server, temperature=0.5), seed=3)
    body = server.bodies[0]
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"] == {"name": "words", "schema": SCHEMA, "strict": True}
    assert (body["model"], body["max_tokens"], body["seed"], body["temperature"]) == ("m", 64, 3, 0.5)
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert json.dumps(SCHEMA, sort_keys=True, separators=(",", ":")) in body["messages"][0]["content"][-1]["text"]


def test_thinking_none_sends_no_field_that_strict_servers_refuse(server):
    ask(client(server, thinking=None))
    assert "chat_template_kwargs" not in server.bodies[0]


def test_images_travel_as_data_urls_of_their_kind_and_videos_as_timed_frames(server, images, video):
    ask(client(server), [images[0], images[1], video])
    parts = server.bodies[0]["messages"][0]["content"]
    kinds = [part["image_url"]["url"].split(";")[0] for part in parts if part["type"] == "image_url"]
    assert kinds[:2] == ["data:image/jpeg", "data:image/png"]
    assert [part["text"] for part in parts if part["type"] == "text"][:-1] == [
        "Video frame at 0.00 s (first frame):",
        "Video frame at 0.50 s:",
        "Video frame at 1.00 s:",
        "Video frame at 1.50 s:",
    ]


def test_bytes_that_are_no_image_are_refused_before_anything_is_sent(server):
    with pytest.raises(ValueError, match="give a JPEG or PNG"):
        ask(client(server), [Image(b"GIF89a...")])
    assert not server.bodies


@pytest.mark.parametrize("failure", ["408", "409", "429", "500", "502", "503", "reset", "half", "html", "no_choices"])
def test_what_may_pass_is_asked_again(server, failure):
    server.misbehave(failure, failure)
    vlm = client(server)
    assert ask(vlm).value == {"word": "hello"}
    assert len(server.bodies) == vlm.traffic.sent == 3
    assert vlm.traffic.retried.total() == 2


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        ("429", "http_429"),
        ("500", "http_500"),
        ("reset", "connection"),
        ("half", "connection"),
        ("html", "malformed"),
        ("no_choices", "malformed"),
        ("aborted", "interrupted"),
    ],
)
def test_what_does_not_pass_is_named_after_the_last_attempt(server, failure, kind):
    server.misbehave(*[failure] * 3)
    vlm = client(server)
    with pytest.raises(VLMUnavailable, match="after 3 attempts") as caught:
        ask(vlm)
    assert caught.value.kind == kind
    assert vlm.traffic.failed == {kind: 1}


@pytest.mark.parametrize("status", ["400", "401", "403", "404"])
def test_what_cannot_pass_is_not_asked_again(server, status):
    server.misbehave(status)
    with pytest.raises(VLMUnavailable) as caught:
        ask(client(server))
    assert caught.value.kind == f"http_{status}"
    assert len(server.bodies) == 1


@pytest.mark.parametrize("failure", ["hang", "drip"])
def test_an_answer_has_a_deadline_however_slowly_it_comes(server, failure):
    server.misbehave(failure, failure)
    vlm = client(server, timeout_s=0.5, max_retries=1)
    with pytest.raises(VLMUnavailable) as caught:
        ask(vlm)
    assert caught.value.kind == "timeout"
    assert vlm.traffic.retried == {"timeout": 1}


def test_a_server_is_not_asked_again_sooner_than_it_wants(server):
    server.misbehave("429=0.3", "503=Thu, 01 Jan 1970 00:00:00 GMT")
    vlm = client(server, backoff_max_s=10.0)
    assert ask(vlm).value
    assert vlm.traffic.waited_s >= 0.3


def test_nobody_listening_is_a_connection_failure():
    with ChatServer() as server:
        pass
    with pytest.raises(VLMUnavailable) as caught:
        ask(client(server))
    assert caught.value.kind == "connection"


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ("cut", "truncated"),
        ("refusal", "refused"),
        ("filtered", "refused"),
        ("text= ", "empty"),
        ("text=Sure! Here is a word", "invalid_json"),
        ('text={"word": NaN}', "invalid_json"),
        ('text={"word": "\\ud800"}', "invalid_json"),
        ('text={"word": 7}', "wrong_schema"),
        ('text={"word": "a", "other": 1}', "wrong_schema"),
        ('text=["word"]', "wrong_schema"),
    ],
)
def test_the_models_own_failures_are_final_and_named(server, behaviour, error):
    server.misbehave(behaviour)
    answer = ask(client(server))
    assert (answer.value, answer.error) == (None, error)
    assert answer.usage.completion_tokens == 7
    assert len(server.bodies) == 1


def test_no_more_requests_are_in_flight_than_allowed():
    with ChatServer(delay_s=0.02) as server:
        server.misbehave(*["crowd=3"] * 3)
        vlm = client(server, concurrency=3)

        async def many():
            await asyncio.gather(*(vlm.complete(PROMPT, [], SCHEMA, max_tokens=8, seed=i) for i in range(15)))
            await vlm.aclose()

        asyncio.run(many())
        assert server.most_in_flight == 3
        assert len(server.bodies) == 15


def test_the_key_comes_from_the_environment_and_is_shown_nowhere(server, monkeypatch, caplog):
    monkeypatch.setenv("MY_SERVER_KEY", "sk-very-secret")
    caplog.set_level(logging.DEBUG)
    server.misbehave("401")  # this server repeats the header in its error
    vlm = client(server, api_key_env="MY_SERVER_KEY")
    with pytest.raises(VLMUnavailable) as caught:
        ask(vlm)
    assert server.headers[0]["authorization"] == "Bearer sk-very-secret"
    assert "***" in str(caught.value)
    shown = [repr(vlm), vlm.model_id, str(caught.value), repr(caught.value), caplog.text, repr(vars(vlm))]
    shown += traceback.format_exception(caught.value)
    assert not any("sk-very-secret" in text for text in shown)


def test_the_users_openai_key_does_not_go_to_other_servers(server, monkeypatch):
    names = ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
    for name in names:
        monkeypatch.setenv(name, f"{name}-of-the-user")
    ask(client(server))
    assert "of-the-user" not in str(server.headers)


@pytest.mark.parametrize(
    ("host", "organization"),
    [
        ("api.openai.com", "org-1"),
        ("eu.api.openai.com", "org-1"),
        ("notopenai.com", None),
        ("openai.com.evil.org", None),
    ],
)
def test_the_organization_is_named_to_openai_alone(monkeypatch, host, organization):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    vlm = OpenAIServer(VLMOptions(backend="openai", base_url=f"https://{host}/v1", model="m"))
    assert vlm._http._client.organization == organization
    asyncio.run(vlm.aclose())


@pytest.mark.parametrize(("named", "shown"), [("NOT_SET_ANYWHERE", True), ("sk-aVery-secret", False)])
def test_a_key_that_is_not_set_is_an_error_at_the_start(server, named, shown):
    with pytest.raises(ValueError, match="api_key_env") as caught:
        client(server, api_key_env=named)
    assert (named in str(caught.value)) is shown


def log_sum_exp(*values):
    return math.log(sum(math.exp(value) for value in values))


def test_log_odds_are_exact_where_the_server_names_tokens(question):
    with ChatServer() as server:
        odds = judge(client(server), question, times=3)
    assert odds.exact
    assert odds.log_p_yes == pytest.approx(log_sum_exp(-1.0, -2.0, -3.0))
    assert odds.log_p_no == pytest.approx(log_sum_exp(-1.5, -2.5))
    assert odds.value == pytest.approx(odds.log_p_yes - odds.log_p_no)
    assert (odds.usage.prompt_tokens, odds.usage.completion_tokens) == (11, 7)
    assert len(server.tokenized) == 10, "token ids are asked for once"
    body = server.bodies[-1]
    assert (body["max_tokens"], body["temperature"], body["logprob_token_ids"]) == (1, 0.0, [0, 1, 2, 3, 4])


@pytest.mark.parametrize("tokenize", [True, False])
@pytest.mark.parametrize("extensions", ["ignored", "refused"])
def test_log_odds_fall_back_to_the_likeliest_tokens(question, tokenize, extensions):
    with ChatServer(tokenize=tokenize, extensions=extensions) as server:
        odds = judge(client(server), question, times=3)
    assert odds.exact, "both sides are among the likeliest"
    assert odds.value == pytest.approx(log_sum_exp(-1.0, -2.0, -3.0) - log_sum_exp(-1.5, -2.5))
    assert len(server.bodies) == (4 if tokenize and extensions == "refused" else 3), "found out once"
    assert "logprob_token_ids" not in server.bodies[-1]
    assert server.bodies[-1]["top_logprobs"] == 20


class Rare(FixedScorer):
    """A vocabulary in which "no" is not among the 20 likeliest tokens."""

    vocabulary = ("yes", *(f"w{i}" for i in range(30)), "no")

    def __init__(self, yes=-0.1):
        super().__init__([yes, *(-5.0 - 0.1 * i for i in range(30)), -50.0])


def test_a_missing_side_stands_at_the_least_likely_token_and_says_so(question):
    with ChatServer(Rare(), tokenize=False, extensions="ignored") as server:
        odds = judge(client(server), question)
    assert not odds.exact
    assert odds.log_p_no == pytest.approx(-5.0 - 0.1 * 18)
    with ChatServer(Rare()) as server:
        odds = judge(client(server), question)
    assert odds.exact
    assert odds.log_p_no == -50.0


def test_a_model_that_is_about_to_say_something_else_is_an_error_and_no_zero(question):
    with (
        ChatServer(Rare(yes=-60.0), tokenize=False, extensions="ignored") as server,
        pytest.raises(VLMUnavailable, match=r"thinking") as caught,
    ):
        judge(client(server), question)
    assert caught.value.kind == "no_answer"


def test_a_bad_request_is_not_taken_for_an_unknown_field(question, server):
    server.misbehave("400", "400")
    vlm = client(server)
    with pytest.raises(VLMUnavailable, match="http_400"):
        judge(vlm, question)
    assert vlm._knows_token_ids is None, "the next request tries the extension again"


def test_a_server_without_log_probabilities_is_named_as_such(question, server):
    server.gives_logprobs = False
    with pytest.raises(VLMUnavailable, match="no_logprobs"):
        judge(client(server), question)
