"""A VLM whose answers are written in the test, and frames to ask it about."""

import hashlib
import json

import pytest

from models.vlm.answers import two_way
from models.vlm.protocol import Completion, Usage, VLMUnavailable


class WrittenVLM:
    """Answers from a function of (prompt, media); counts what it was asked."""

    model_id, min_mass = "written/1", 0.5

    def __init__(self, answer):
        self.answer, self.asked, self.closed = answer, [], False

    async def complete(self, prompt, media, schema, *, max_tokens, seed=0, again=False):
        self.asked.append(prompt)
        value = self.answer(prompt, media)
        if isinstance(value, Exception):
            raise value
        if isinstance(value, str):
            return Completion(None, "cut he", Usage(100, 20), error=value)
        return Completion(value, json.dumps(value), Usage(100, 50))

    async def log_odds(self, question, media):
        self.asked.append(question)
        value = self.answer(question, media)
        if isinstance(value, VLMUnavailable):
            raise value
        return two_way(value, True, Usage(90, 1))

    async def aclose(self):
        self.closed = True


@pytest.fixture
def written_vlm():
    return WrittenVLM


@pytest.fixture
def frame_rows(tmp_path):
    """Makes `count` frame rows, each with its own picture file below tmp_path."""

    def make(count: int) -> list[dict]:
        rows = []
        for number in range(count):
            data = b"picture %d" % number
            (tmp_path / f"{number}.jpg").write_bytes(data)
            rows.append(
                {
                    "frame_id": f"clip_{number:08d}",
                    "clip_id": "clip",
                    "seconds": float(number),
                    "image": f"{number}.jpg",
                    "image_sha256": hashlib.sha256(data).hexdigest(),
                    "width": 8,
                    "height": 8,
                    "phash": "0" * 16,
                }
            )
        return rows

    return make
