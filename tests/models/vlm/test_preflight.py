"""What a server lacks is found by one question before anything expensive, and named with what would be right."""

import asyncio
import json
import shutil
import socket
import ssl
import subprocess

import pytest

from models.vlm import preflight as module
from models.vlm.build_vlm import build_vlm
from models.vlm.failures import NO_LOGPROBS
from models.vlm.options import VLMOptions
from models.vlm.preflight import Needs, NotReady, preflight
from models.vlm.protocol import Prompt, VLMUnavailable
from tests.models.vlm.chat_server import SCHEMA, ChatServer, FixedScorer
from tests.models.vlm.limits import end_by

ALL = Needs(yes_no=8, json=1)
PROMPT = Prompt("words", 1, "0" * 16, "Say a word.")


def served(base_url, **more) -> VLMOptions:
    quick = {"max_retries": 0, "timeout_s": 20.0, "backoff_s": 0.001}
    return VLMOptions(backend="openai", base_url=base_url, model="m", **{**quick, **more})


def refused(base_url, needs=ALL, **more) -> str:
    with pytest.raises(NotReady) as caught:
        preflight(served(base_url, **more), needs)
    told = str(caught.value)
    assert "\n" not in told and told.startswith(f"the VLM server at {base_url} (model 'm') is not ready: ")
    return told.partition("is not ready: ")[2]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def pictures(body) -> int:
    return sum(part["type"] == "image_url" for part in body["messages"][0]["content"])


def test_a_server_that_does_all_is_asked_one_question_and_one_object(server):
    preflight(served(server.base_url), ALL)
    yes_no, as_json = server.bodies
    assert (pictures(yes_no), yes_no["logprobs"]) == (8, True)
    assert (pictures(as_json), as_json["response_format"]["type"]) == (1, "json_schema")
    assert sum(len(json.dumps(body)) for body in server.bodies) < 20_000


def test_it_is_asked_once_and_again_only_for_more_pictures_or_other_settings(server):
    for needs in (Needs(yes_no=2), Needs(yes_no=2), Needs(yes_no=1), Needs(json=0)):
        preflight(served(server.base_url), needs)
    assert [pictures(body) for body in server.bodies] == [2, 0]
    preflight(served(server.base_url, concurrency=3), Needs(yes_no=1, json=0))
    assert len(server.bodies) == 2
    preflight(served(server.base_url), Needs(yes_no=8))
    preflight(served(server.base_url, min_mass=0.1), Needs(yes_no=1))
    assert [pictures(body) for body in server.bodies[2:]] == [8, 1]


def test_other_backends_and_one_that_is_switched_off_are_not_asked(server):
    preflight(VLMOptions(), ALL)
    preflight(served(server.base_url, preflight=False), ALL)
    assert not server.bodies and "preflight" not in served(server.base_url, preflight=False).decisive()


def test_a_refused_connection_is_called_so():
    for host in ("127.0.0.1", "localhost"):
        said = refused(f"http://{host}:{free_port()}/v1")
        assert (
            said
            == "connection: connection refused: nothing listens at this address. Start the server, or correct base_url"
        )


def test_an_unknown_host_is_called_so(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "the host's name is not known: Name or service not known" in refused("http://vlm.example/v1")


def test_https_where_the_server_speaks_http_names_the_address_to_write(server):
    said = refused(server.base_url.replace("http:", "https:"))
    assert said == f"it does not speak https: write {server.base_url}"


@pytest.fixture
def tls(tmp_path):
    """A server behind TLS with a certificate of its own."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    server = ChatServer()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
    with server:
        yield server


def test_http_where_the_server_speaks_https_names_the_address_to_write(tls):
    assert refused(tls.base_url) == f"it speaks https: write {tls.base_url.replace('http', 'https')} in base_url"


def test_a_certificate_that_nobody_knows_is_called_so(tls):
    said = refused(tls.base_url.replace("http", "https"))
    assert said.startswith("connection: TLS: the server's certificate is not accepted: self-signed certificate")


def test_an_unknown_model_lists_those_that_are_served(server):
    server.models = ("Qwen/Qwen3.5-27B-FP8", "lora")
    said = refused(server.base_url)
    assert said.startswith("it does not serve the model 'm' but 'Qwen/Qwen3.5-27B-FP8', 'lora': set `model`. It says: ")
    server.models = ("m",)
    preflight(served(server.base_url), ALL)


def test_an_address_without_its_version_is_completed(server):
    server.models = ("m",)
    assert refused(server.base_url.removesuffix("/v1")).startswith(
        f"base_url lacks its version: write {server.base_url}. It says: http_404"
    )


def test_a_page_in_place_of_an_answer_asks_for_the_address(server):
    server.misbehave("html")
    said = refused(server.base_url)
    assert "Welcome to the proxy" in said and said.endswith("It usually ends in /v1")


@pytest.mark.parametrize("status", ["401", "403"])
def test_a_refused_key_names_its_variable_and_never_itself(server, monkeypatch, status):
    monkeypatch.setenv("MY_SERVER_KEY", "sk-very-secret-key")
    server.misbehave(status)
    said = refused(server.base_url, api_key_env="MY_SERVER_KEY")
    assert said.startswith(f"http_{status}: ") and said.endswith("in api_key_env (now: MY_SERVER_KEY)")
    assert "sk-very" not in said


def test_missing_log_probabilities_name_the_option_and_are_not_missed_where_words_are_read(server):
    server.gives_logprobs = False
    said = refused(server.base_url)
    assert said.startswith(NO_LOGPROBS) and "`answer: text`" in said
    server.answer = "yes"
    preflight(served(server.base_url, answer="text"), Needs(yes_no=2))
    preflight(served(server.base_url), Needs(json=None))


@pytest.mark.parametrize("most", [1, 4, 7])
def test_too_few_pictures_name_the_servers_flag(server, most):
    server.most_images = most
    said = refused(server.base_url)
    assert said.startswith(
        "it takes one picture in a request, but not 8: raise its limit (vLLM's --limit-mm-per-prompt "
    )
    assert """'{"image": 8}'), or lower `frames`. It says: http_400: """ in said and f"At most {most} image" in said
    preflight(served(server.base_url), Needs(yes_no=most))


def test_a_model_of_words_alone_is_called_so(server):
    server.most_images = 0
    assert refused(server.base_url).startswith("it takes no pictures: serve a vision-language model. It says: http_400")
    preflight(served(server.base_url), Needs(yes_no=0, json=0))


@pytest.mark.parametrize(("field", "option"), [("chat_template_kwargs", "thinking"), ("temperature", "temperature")])
def test_a_field_that_a_strict_server_refuses_names_the_option(server, field, option):
    server.refuses = (field,)
    said = refused(server.base_url, Needs(json=1))
    assert f"set `{option}: null`. It says: http_400" in said
    preflight(served(server.base_url, **{option: None}), Needs(json=1))


def test_a_server_that_refuses_json_is_needed_only_where_json_is(server):
    server.refuses = ("response_format",)
    assert refused(server.base_url).startswith("it refuses response_format json_schema: ")
    preflight(served(server.base_url), Needs(yes_no=8))


def test_words_in_place_of_json_are_named_after_a_second_try(server):
    server.answer = "My favourite is red."
    said = refused(server.base_url, Needs(json=1))
    assert said.startswith("invalid_json: it wrote 'My favourite is red.'. Use a server that holds its answers to")
    assert [body.get("seed") for body in server.bodies[:2]] == [0, 1]
    server.misbehave("text=none", 'text={"colour": "blue"}')
    preflight(served(server.base_url), Needs(json=1))


@pytest.mark.parametrize("thinks", ["tags", "reasoning"])
@pytest.mark.parametrize("needs", [Needs(yes_no=2), Needs(json=1)])
@pytest.mark.parametrize(
    ("thinking", "remedy"),
    [(True, "set `thinking: false`"), (None, "set `thinking: false`"), (False, "it ignores `thinking: false`")],
)
def test_a_model_that_thinks_is_called_so_with_what_to_set(thinks, needs, thinking, remedy):
    with ChatServer(FixedScorer([-11.0, -12.0, -13.0, -12.5, -13.0, -0.0001, -14.0])) as server:
        server.thinks = thinks
        said = refused(server.base_url, needs, thinking=thinking)
    assert said.startswith("the model thinks before it answers (") and "The user wants" in said and remedy in said
    assert "--default-chat-template-kwargs '{\"enable_thinking\": false}'" in said and "`answer: text`" in said


def test_a_model_that_says_neither_yes_nor_no_is_called_so_and_a_random_one_may_be_tested():
    with ChatServer(FixedScorer([-11.0, -12.0, -13.0, -12.5, -13.0, -0.0001, -14.0]), answer="maybe") as server:
        said = refused(server.base_url, Needs(yes_no=2))
        assert said.startswith("no_answer: neither yes nor no") and said.endswith("set `min_mass: 0`")
        preflight(served(server.base_url, min_mass=0.0), Needs(yes_no=2))


def test_written_answers_that_are_cut_name_their_limit(server):
    server.misbehave("cut")
    said = refused(server.base_url, Needs(yes_no=2), answer="text")
    assert "cut at answer_max_tokens" in said and "Raise answer_max_tokens" in said


def test_a_server_that_asks_for_patience_is_named_by_its_own_words_when_the_time_is_up(server, monkeypatch):
    end_by(monkeypatch, module)
    server.misbehave(*["503=60"] * 9)
    said = refused(server.base_url, timeout_s=7, max_retries=6, backoff_max_s=30.0)
    assert said.startswith("http_503: no answer after 7 s, the last attempt: Service Unavailable")
    assert len(server.bodies) == 1


def test_a_server_that_hangs_is_given_up_after_one_time_limit(server, monkeypatch):
    end_by(monkeypatch, module, lambda noted: server.bodies)
    server.misbehave("hang", "hang")
    assert refused(server.base_url, timeout_s=9, max_retries=6).startswith("timeout: no answer after 9 s. Is it over")


def test_a_failure_that_passes_is_waited_for(server):
    server.misbehave("503", "reset")
    preflight(served(server.base_url, max_retries=3), Needs(yes_no=2))


def test_a_client_asks_ahead_of_its_first_request_of_a_kind_and_of_more_pictures(server, question, images, video):
    async def several():
        vlm = build_vlm(served(server.base_url))
        try:
            await asyncio.gather(*(vlm.log_odds(question, [image]) for image in images))
            await asyncio.gather(*(vlm.complete(PROMPT, [image], SCHEMA, max_tokens=9) for image in images))
            await vlm.log_odds(question, [video])
            await vlm.log_odds(question, [video])
        finally:
            await vlm.aclose()

    asyncio.run(several())
    ahead = [
        pictures(body) for body in server.bodies if "test the connection" in body["messages"][0]["content"][-1]["text"]
    ]
    assert ahead == [1, 1, 4] and len(server.bodies) == 3 + 10


def test_all_who_wait_for_a_client_that_is_not_ready_are_told_by_one_question(server, question, images):
    server.gives_logprobs = False

    async def twenty():
        vlm = build_vlm(served(server.base_url))
        try:
            return await asyncio.gather(
                *(vlm.log_odds(question, [images[0]]) for _ in range(20)), return_exceptions=True
            )
        finally:
            await vlm.aclose()

    told = asyncio.run(twenty())
    assert len(server.bodies) == 1
    assert all(isinstance(one, NotReady) for one in told) and len({str(one) for one in told}) == 1


def test_a_server_that_passed_may_fail_later_as_any_server(server, question, images):
    async def later():
        vlm = build_vlm(served(server.base_url))
        try:
            await vlm.log_odds(question, [images[0]])
            server.misbehave("500")
            with pytest.raises(VLMUnavailable, match="http_500"):
                await vlm.log_odds(question, [images[1]])
            await vlm.log_odds(question, [images[1]])
        finally:
            await vlm.aclose()

    asyncio.run(later())
