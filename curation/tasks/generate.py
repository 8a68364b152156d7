"""Eight task-solution pairs a frame from one structured request."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from curation.tasks.options import TasksOptions
from curation.tasks.rules import Pair, judge_pairs
from curation.vlm_calls import answers_to, carried, exactly, failure_reason, frame_image
from models.vlm.prompts import prompt
from models.vlm.protocol import VLM, Completion, VLMUnavailable
from models.vlm.tally import Tally
from models.vlm.tidy import tidy
from storage.tables import KEPT, REJECTED

PROMPT = "tasks"


def pairs_schema(count: int) -> dict:
    """JSON Schema of exactly `count` pairs."""
    return exactly(count, "pairs", {"task": {"type": "string"}, "solution": {"type": "string"}})


def write_tasks(
    rows: Iterable[dict],
    folder: Path,
    vlm: VLM,
    journal: Path,
    options: TasksOptions,
    concurrency: int,
    run=asyncio.run,
    tally: Tally | None = None,
) -> list[dict]:
    """TASKS rows for kept SCREENING rows: `count` rows a frame, whatever became of its request.

    A request that gave no pairs leaves `count` empty rows with its reason: truncated, invalid_json, wrong_schema,
    refused, empty, or vlm_unavailable, which the next run asks again.
    """
    request = prompt(PROMPT, options.prompt_version, count=str(options.count))
    schema = pairs_schema(options.count)

    async def ask(client: VLM, row: dict) -> Completion:
        image = frame_image(row, folder)
        return await client.complete(request, [image], schema, max_tokens=options.max_tokens, seed=options.seed)

    answered = answers_to(rows, ask, vlm, journal, options, concurrency, run, tally)
    asked = {"vlm": vlm.model_id, "prompt_hash": request.template_hash}
    return [carried(row) | asked | pair for row, answer in answered for pair in _pair_rows(answer, options)]


def _pair_rows(answer: Completion | VLMUnavailable, options: TasksOptions) -> list[dict]:
    if isinstance(answer, VLMUnavailable):
        return _failed(options.count, failure_reason(answer), str(answer))
    if answer.value is None:
        rows = _failed(options.count, answer.error, answer.text[-200:])
    else:
        pairs = [Pair(tidy(pair["task"]), tidy(pair["solution"])) for pair in answer.value["pairs"]]
        verdicts = judge_pairs(pairs, options)
        rows = [_row(index, pair, *verdict) for index, (pair, verdict) in enumerate(zip(pairs, verdicts, strict=True))]
    rows[0] |= {"prompt_tokens": answer.usage.prompt_tokens, "completion_tokens": answer.usage.completion_tokens}
    return rows


def _failed(count: int, reason: str, detail: str) -> list[dict]:
    return [_row(index, Pair("", ""), reason, detail) for index in range(count)]


def _row(index: int, pair: Pair, reason: str, detail: str) -> dict:
    return {
        "task_index": index,
        "agent": pair.agent,
        "task": pair.task,
        "solution": pair.solution,
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "status": REJECTED if reason else KEPT,
        "reason": reason,
        "detail": detail,
    }
