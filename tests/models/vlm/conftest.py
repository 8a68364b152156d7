"""Fixtures of the VLM clients: small images, tiny models, a server."""

import io
from pathlib import Path

import pytest

from models.vlm.protocol import Image, Prompt, Video


def encoded(seed: int, kind: str = "PNG") -> bytes:
    """A 64 x 48 image of noise, another one for each seed."""
    import numpy as np
    import PIL.Image

    pixels = np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def images() -> list[Image]:
    return [Image(encoded(seed, "PNG" if seed % 2 else "JPEG")) for seed in range(4)]


@pytest.fixture(scope="session")
def video() -> Video:
    return Video(tuple(encoded(seed) for seed in range(4)), (0.0, 0.5, 1.0, 1.5))


@pytest.fixture(scope="session")
def question() -> Prompt:
    return Prompt("question", 1, "0" * 16, "Is it good? Answer yes or no.")


@pytest.fixture(scope="session", params=["qwen2_5_vl", "qwen3_vl", "qwen3_5"])
def tiny(request, tmp_path_factory) -> Path:
    """The checkpoint folder of a tiny random model, of each family in turn."""
    from tests.models.vlm import tiny_qwen

    return tiny_qwen.build(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture
def server():
    from tests.models.vlm.chat_server import ChatServer

    with ChatServer() as running:
        yield running
