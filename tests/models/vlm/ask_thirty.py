"""A run that may be killed at any moment: thirty requests through a journal. `ask_thirty.py BASE_URL JOURNAL`."""

import asyncio
import sys
from pathlib import Path

from models.vlm.bounded import map_bounded
from models.vlm.journaled import Journaled, request_key
from models.vlm.openai_server import OpenAIServer
from models.vlm.options import VLMOptions
from models.vlm.protocol import Prompt
from storage.journal import Journal
from tests.models.vlm.chat_server import SCHEMA

PROMPTS = [Prompt("words", 1, "0" * 16, f"Say word number {number}.") for number in range(30)]
KEYS = [
    request_key("openai:m", "complete", prompt, [], SCHEMA, max_tokens=64, seed=number)
    for number, prompt in enumerate(PROMPTS)
]


async def main(base_url: str, journal: Path) -> None:
    server = OpenAIServer(VLMOptions(backend="openai", base_url=base_url, model="m", concurrency=4))
    vlm = Journaled(server, Journal(journal))

    async def ask(number: int):
        return await vlm.complete(PROMPTS[number], [], SCHEMA, max_tokens=64, seed=number)

    async for _, answer in map_bounded(ask, range(30), 4):
        assert answer.value == {"word": "hello"}
    await vlm.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
