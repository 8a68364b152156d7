"""A real vLLM on this machine's CPU and a tiny random Qwen3-VL: `make test-vllm`, in an environment of its own.

Server and engine are those of `vllm serve` and AsyncLLM; only the weights are random. So what they say means nothing,
but three ways to the same log-odds must agree: over HTTP, in this process on vLLM, in this process on transformers.
"""

import asyncio
import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from models.vlm.build_vlm import build_vlm
from models.vlm.options import VLMOptions
from models.vlm.preflight import NotReady
from models.vlm.protocol import Completion, Image, LogOdds, Prompt, Video, VLMUnavailable
from tests.models.vlm.conftest import encoded

if importlib.util.find_spec("vllm") is None:
    pytest.skip("vllm is not installed here: make test-vllm", allow_module_level=True)

pytestmark = pytest.mark.slow
ENGINE = {"dtype": "float32", "enforce_eager": True, "max_model_len": 4096, "limit_mm_per_prompt": {"image": 16}}
FLAGS = ("--dtype", "float32", "--enforce-eager", "--max-model-len", "4096", "--generation-config", "vllm")
FLAGS = (*FLAGS, "--limit-mm-per-prompt", '{"image": 16}')
# Random weights put little mass on yes and no.
MASSLESS = {"min_mass": 0.0}
START_S = 600
SCHEMA = {
    "type": "object",
    "properties": {"suitable": {"type": "boolean"}, "kind": {"enum": ["indoor", "street", "game"]}},
    "required": ["suitable", "kind"],
    "additionalProperties": False,
}
COUNT = Prompt("count", 1, "0" * 16, "Describe the picture.")


@pytest.fixture(scope="module", autouse=True)
def small_engine():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        patch.setenv("VLLM_NO_USAGE_STATS", "1")
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    from tests.models.vlm import tiny_qwen

    return tiny_qwen.build(tmp_path_factory.mktemp("live"), "qwen3_vl", head_dim=32)


@pytest.fixture(scope="module")
def address(checkpoint, tmp_path_factory):
    """A served vLLM's base URL. Its log is shown when it does not start."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(checkpoint)]
    command += ["--host", "127.0.0.1", "--port", str(port), *FLAGS]
    with log.open("w") as out:
        server = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=os.environ)
    try:
        for _ in range(START_S):
            time.sleep(1)
            assert server.poll() is None, f"vLLM ended: {log.read_text()[-3000:]}"
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            except OSError:
                continue
        else:
            pytest.fail(f"vLLM did not start in {START_S} s: {log.read_text()[-3000:]}")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(timeout=60)


@pytest.fixture(scope="module")
def pictures() -> list[Image]:
    return [Image(encoded(seed)) for seed in range(11)]


def options(backend: str, checkpoint: Path, **more) -> VLMOptions:
    return VLMOptions(backend=backend, model=str(checkpoint), **{**MASSLESS, **more})


def asked(vlm_options: VLMOptions, questions: list, *, schema: dict | None = None, max_tokens: int = 64) -> list:
    """Every answer of (prompt, media), asked at once; failures in their places."""

    async def all_of_them():
        vlm = build_vlm(vlm_options)
        try:
            if schema is None:
                calls = [vlm.log_odds(prompt, media) for prompt, media in questions]
            else:
                calls = [vlm.complete(prompt, media, schema, max_tokens=max_tokens) for prompt, media in questions]
            return await asyncio.gather(*calls, return_exceptions=True)
        finally:
            await vlm.aclose()

    return asyncio.run(all_of_them())


def values(answers: list) -> list[float]:
    for answer in answers:
        assert isinstance(answer, LogOdds), answer
        assert answer.exact
    return [answer.value for answer in answers]


def test_log_odds_over_http_in_the_engine_and_on_transformers_agree(address, checkpoint, pictures, question):
    questions = [(question, [picture]) for picture in pictures]
    questions += [(question, pictures[:3]), (question, pictures[:8])]
    served = values(asked(options("openai", checkpoint, base_url=address), questions))
    engine = values(asked(options("vllm", checkpoint, engine_options=ENGINE), questions))
    plain = values(asked(options("transformers", checkpoint, device="cpu", dtype="float32"), questions))
    assert served == pytest.approx(engine, abs=1e-4)
    assert engine == pytest.approx(plain, abs=1e-3)
    assert len({round(value, 3) for value in plain}) > 5, "the answers must depend on the picture"


def test_a_video_of_8_frames_is_judged(address, checkpoint, question):
    video = Video(tuple(encoded(seed) for seed in range(8)), tuple(seed / 2 for seed in range(8)))
    served = options("openai", checkpoint, base_url=address)
    one, again = values(asked(served, [(question, [video])] * 2))
    assert one == pytest.approx(again, abs=1e-4)
    values(asked(options("vllm", checkpoint, engine_options=ENGINE), [(question, [video])]))


def test_digits_in_the_engine_and_on_transformers_agree(checkpoint, pictures, question):
    questions = [(replace(question, digits=True), [picture]) for picture in pictures]
    engine = values(asked(options("vllm", checkpoint, engine_options=ENGINE), questions))
    plain = values(asked(options("transformers", checkpoint, device="cpu", dtype="float32"), questions))
    words = values(
        asked(options("transformers", checkpoint, device="cpu", dtype="float32"), [(question, pictures[:1])])
    )
    assert engine == pytest.approx(plain, abs=1e-3)
    assert words[0] != pytest.approx(plain[0], abs=1e-3), "other tokens have other odds"


def test_17_pictures_over_a_limit_of_16_are_refused_by_name(address, checkpoint, question):
    many = [Image(encoded(seed)) for seed in range(17)]
    served = options("openai", checkpoint, base_url=address, max_retries=0)
    (ahead,) = asked(served, [(question, many)])
    assert isinstance(ahead, NotReady) and "limit" in str(ahead) and "16" in str(ahead)
    (failure,) = asked(served.model_copy(update={"preflight": False}), [(question, many)])
    assert isinstance(failure, VLMUnavailable) and failure.kind == "http_400" and "16" in str(failure)


@pytest.mark.parametrize("backend", ["openai", "vllm"])
def test_answers_fit_their_schema(backend, address, checkpoint, pictures):
    where = {"base_url": address} if backend == "openai" else {"engine_options": ENGINE}
    chosen = options(backend, checkpoint, **where)
    for answer in asked(chosen, [(COUNT, [picture]) for picture in pictures[:4]], schema=SCHEMA, max_tokens=200):
        assert isinstance(answer, Completion), answer
        assert answer.error in ("", "truncated"), answer.error
        if not answer.error:
            assert set(answer.value) == {"suitable", "kind"}
            assert answer.value["kind"] in SCHEMA["properties"]["kind"]["enum"]
