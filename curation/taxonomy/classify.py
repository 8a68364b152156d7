"""The prompt-only taxonomy: each kept task's agent category and task type, read from its words alone (paper 4.1.1)."""

import asyncio
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from curation.schemas import PAIR
from curation.taxonomy.options import TaxonomyOptions
from curation.vlm_calls import answers_to, carried, exactly, failure_reason
from models.vlm.prompts import prompt, template_hash
from models.vlm.protocol import VLM, Completion, VLMUnavailable
from models.vlm.tally import Tally
from storage.tables import KEPT

PROMPT = "taxonomy"
AGENT_CATEGORIES = ("first_person", "human", "vehicle", "object", "creature", "animal", "crowd")
TASK_TYPES = (
    "navigation",
    "positioning",
    "object_interaction",
    "perception",
    "combat",
    "compound",
    "vehicle_control",
    "ui_interaction",
    "other",
)
UNLABELLED = "unlabelled"


def labels_schema(count: int) -> dict:
    """JSON Schema of one label for each of `count` numbered tasks."""
    label = {
        "number": {"type": "integer", "minimum": 1, "maximum": count},
        "agent_category": {"enum": list(AGENT_CATEGORIES)},
        "task_type": {"enum": list(TASK_TYPES)},
    }
    return exactly(count, "labels", label)


def label_tasks(
    rows: Iterable[dict],
    vlm: VLM,
    journal: Path,
    options: TaxonomyOptions,
    concurrency: int,
    run=asyncio.run,
    tally: Tally | None = None,
) -> list[dict]:
    """TAXONOMY rows for kept TASKS rows, in the order given; one request a frame.

    Every row is kept: a task is no worse for lacking a label. One whose request failed is `unlabelled`, and says why.
    """
    frames = [list(group) for _, group in groupby(rows, key=itemgetter("frame_id"))]

    async def ask(client: VLM, frame: dict) -> Completion:
        tasks = frame["rows"]
        numbered = "\n".join(f"{number}. {row['task']}" for number, row in enumerate(tasks, start=1))
        request = prompt(PROMPT, options.prompt_version, count=str(len(tasks)), tasks=numbered)
        return await client.complete(request, [], labels_schema(len(tasks)), max_tokens=options.max_tokens)

    items = [{"rows": frame} for frame in frames]
    answered = answers_to(items, ask, vlm, journal, options, concurrency, run, tally)
    asked = {"vlm": vlm.model_id, "prompt_hash": template_hash(PROMPT, options.prompt_version)}
    return [row | asked for frame, answer in answered for row in _label_rows(frame["rows"], answer)]


def _label_rows(tasks: list[dict], answer: Completion | VLMUnavailable) -> list[dict]:
    labels, reason, detail = {}, "", ""
    if isinstance(answer, VLMUnavailable):
        reason, detail = failure_reason(answer), str(answer)
    elif answer.value is None:
        reason, detail = answer.error, answer.text[-200:]
    else:
        labels = {label["number"]: label for label in answer.value["labels"]}
    rows = []
    for number, task in enumerate(tasks, start=1):
        label = labels.get(number, {})
        row = carried(task) | {name: task[name] for name, _ in PAIR}
        row |= {name: label.get(name, UNLABELLED) for name in ("agent_category", "task_type")}
        row |= {"prompt_tokens": 0, "completion_tokens": 0, "status": KEPT}
        row |= {"reason": reason or ("" if label else "label_missing"), "detail": detail}
        rows.append(row)
    if not isinstance(answer, VLMUnavailable):
        rows[0] |= {"prompt_tokens": answer.usage.prompt_tokens, "completion_tokens": answer.usage.completion_tokens}
    return rows
