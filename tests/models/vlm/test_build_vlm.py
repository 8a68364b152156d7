"""Options are checked where they are written, and name the field and the value."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from microworld.vlm import build_vlm
from models.vlm.options import VLMOptions

OPENAI = {"backend": "openai", "model": "m", "base_url": "http://127.0.0.1:8000/v1"}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"backend": "opneai"}, "'opneai'"),
        ({"temprature": 0.5}, "temprature"),
        ({"backend": "openai", "base_url": "http://h/v1"}, "model is empty"),
        ({"backend": "openai", "model": "m"}, "base_url is empty"),
        ({**OPENAI, "base_url": "127.0.0.1:8000"}, "'127.0.0.1:8000'"),
        ({**OPENAI, "base_url": "file:///etc/passwd"}, "'file:///etc/passwd'"),
        ({**OPENAI, "concurrency": 0}, "concurrency"),
        ({**OPENAI, "timeout_s": -1}, "timeout_s"),
        ({**OPENAI, "temperature": 3}, "temperature"),
        ({**OPENAI, "engine_options": {"seed": 1}}, "engine_options"),
        ({"backend": "transformers", "model": "m", "base_url": "http://h/v1"}, "base_url"),
        ({"backend": "vllm", "model": "m", "thinking": None}, "thinking"),
    ],
)
def test_a_wrong_option_is_an_error_that_names_it(options, named):
    with pytest.raises(ValidationError) as caught:
        VLMOptions(**options)
    assert named in str(caught.value)


def test_a_password_in_the_address_is_refused():
    with pytest.raises(ValidationError, match="api_key_env"):
        VLMOptions(**{**OPENAI, "base_url": "http://user:pass@h/v1"})


def test_every_option_is_described():
    assert all(field.description for field in VLMOptions.model_fields.values())


def test_the_openai_backend_gets_its_options():
    vlm = build_vlm(VLMOptions(**OPENAI, temperature=0.5, timeout_s=7, max_retries=1))
    assert vlm.model_id == "openai:m;temperature=0.5"
    assert (vlm.options.timeout_s, vlm.options.max_retries) == (7, 1)


def test_the_transformers_backend_loads_a_folder(tiny):
    vlm = build_vlm(VLMOptions(backend="transformers", model=str(tiny), device="cpu"))
    assert vlm.model_id == f"transformers:{tiny}"


def test_the_scripted_backend_is_the_microworlds():
    pytest.importorskip("microworld.scripted_vlm", reason="the microworld's scripted VLM is not in this tree")
    assert build_vlm(VLMOptions()).model_id


def test_the_vllm_backend_says_what_is_missing():
    try:
        import torch
        import vllm  # noqa: F401

        if torch.cuda.is_available():
            pytest.skip("vllm and a GPU are here: nothing is missing")
    except ImportError:
        pass
    with pytest.raises(RuntimeError, match=r"wmsd\[vllm\]|needs a GPU"):
        build_vlm(VLMOptions(backend="vllm", model="m"))


def test_options_and_clients_are_imported_without_the_heavy_libraries(repository):
    heavy = "{'torch', 'transformers', 'vllm', 'openai', 'PIL', 'dagster', 'microworld'}"
    modules = "build_vlm, options, bounded, journaled, openai_server, transformers_local, vllm_local, chat_content"
    code = f"import sys; from models.vlm import {modules}; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
