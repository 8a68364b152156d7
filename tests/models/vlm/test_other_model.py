"""A server that answers with another model than the recipe names."""

import json

import pytest

from models.vlm.other_model import alike
from tests.models.vlm.chat_server import GOOD
from tests.models.vlm.test_openai_server import ask, client


@pytest.mark.parametrize(
    ("wanted", "said", "same"),
    [
        ("Qwen/Qwen3-VL-8B", "Qwen/Qwen3-VL-8B", True),
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("Qwen/Qwen3-VL-8B", "/models/qwen3-vl-8b-q4.gguf", True),
        ("models/gemini-3-flash", "gemini-3-flash", True),
        ("m", "", True),
        ("Qwen/Qwen3-VL-8B", "Qwen/Qwen3-VL-2B", False),
        ("Qwen/Qwen3-VL-8B", "llama-3.gguf", False),
    ],
)
def test_names_of_one_model_are_alike(wanted, said, same):
    assert alike(wanted, said) is same and alike(said, wanted) is same


def test_another_model_is_told_of_once_and_its_answers_are_taken(server, caplog, monkeypatch):
    monkeypatch.setenv("MY_SERVER_KEY", "sk-very-secret")
    for name in ("sk-very-secret\nx", "sk-very-secret\nx", None, 7, "m-2026"):
        answer = {"choices": [{"message": {"content": GOOD}}], "model": name}
        server.misbehave("raw=" + json.dumps(answer))
        assert ask(client(server, api_key_env="MY_SERVER_KEY")).value == {"word": "hello"}
    (told,) = [record.getMessage() for record in caplog.records if "says that the model" in record.getMessage()]
    assert r"the model '***\nx' answers" in told and "name 'm'" in told
