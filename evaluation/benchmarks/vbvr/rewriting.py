"""The third variant: a VLM shortens the long query to a task before anything is generated.

Each rewriting is a line of rewrites.jsonl, with what it came from and who wrote it; answers are journaled, so that a
killed rewriting pays for nothing twice. What the VLM could not shorten is final, until it is asked again or the query
may stay as it is. That stands in the lines too, so that generation needs no switch of its own.
"""

import asyncio
import contextlib
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evaluation.benchmarks.named_videos import listed
from evaluation.records import OK, Sample, read_lines, write_lines
from models.vlm.bounded import map_bounded
from models.vlm.journaled import Journaled
from models.vlm.prompts import prompt
from models.vlm.protocol import VLM, Completion, Image, VLMUnavailable
from storage.files import confined, exclusive, sha256_bytes
from storage.journal import Journal

REWRITES, JOURNAL, LOCK = "rewrites.jsonl", "rewrites.sqlite", ".rewrites.lock"
VERSION = 1  # of the prompt file
WORDS, CHARACTERS = 60, 600  # twice what the prompt asks for: a rewriting beyond is none
MAX_TOKENS = 256
STAYED = re.compile(r"rewrite-[0-9a-f]{16}-(\d+)-long")
SCHEMA = {
    "type": "object",
    "properties": {"task": {"type": "string", "minLength": 1, "maxLength": CHARACTERS}},
    "required": ["task"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Rewrite:
    """A query and the task it was shortened to, or why it was not (`failure`).

    `task` of a failed one is the query itself where it stays as it is, else "".
    """

    sample_id: str
    query: str
    image_sha256: str
    task: str
    vlm: str
    prompt_hash: str
    failure: str = OK


def rewrite(
    folder: Path,
    samples: Sequence[Sample],
    vlm: VLM,
    out: Path,
    concurrency: int = 16,
    *,
    ask_failed_again: bool = False,
    keep_failed: bool = False,
) -> list[Rewrite]:
    """Shortens the query of every sample of the benchmark in `folder`, and writes out/rewrites.jsonl.

    The VLM sees the first frame and the query. `vlm` is closed in the end. Failures are kept as such: those of the
    transport are asked again by the next call, the VLM's own (refused, too long ...) with `ask_failed_again` alone.
    `keep_failed` lets queries that the VLM itself could not shorten stand as they are.
    """

    def again(stored: Completion) -> bool:
        return ask_failed_again and bool(_failure(stored))

    with exclusive(out / LOCK), Journal(out / JOURNAL) as journal:
        client = Journaled(vlm, journal, again)
        made = asyncio.run(_rewrite_all(folder, samples, client, concurrency, keep_failed))
        write_lines(out / REWRITES, made)
    return made


def rewritten(samples: Sequence[Sample], rewrites: Iterable[Rewrite]) -> tuple[str, list[Sample]]:
    """(what to add to the benchmark's version, samples with the shortened tasks).

    Raises ValueError, naming them, for samples without a rewriting, with one of another query, or with a failed one
    that does not say that the query stays.
    """
    known = {one.sample_id: one for one in rewrites}
    fits = {sample.sample_id: known.get(sample.sample_id) for sample in samples}
    lacking = [s.sample_id for s in samples if fits[s.sample_id] is None or fits[s.sample_id].query != s.task]
    if lacking:
        raise ValueError(f"{len(lacking)} samples have no short query: {listed(lacking)}. Run the step rewrite again")
    failed = unusable(fits.values())
    if failed:
        raise ValueError(f"{len(failed)} queries could not be shortened: {listed(failed)}. Run the step rewrite again")
    made = [replace(sample, task=fits[sample.sample_id].task) for sample in samples]
    digest = sha256_bytes("\0".join(f"{sample.sample_id}\0{sample.task}" for sample in made).encode())
    stayed = sum(bool(one.failure) for one in fits.values())
    return f"rewrite-{digest[:16]}" + (f"-{stayed}-long" if stayed else ""), made


def stayed_long(version: str) -> int:
    """How many queries stayed as they were, by a benchmark's version that `rewritten` was added to."""
    match = STAYED.search(version)
    return int(match[1]) if match else 0


def unusable(rewrites: Iterable[Rewrite]) -> list[str]:
    """Samples that are left without a task, each with the reason."""
    return [f"{one.sample_id}: {one.failure}" for one in rewrites if not one.task]


def read_rewrites(out: Path) -> list[Rewrite]:
    """The rewritings in `out`. Raises FileNotFoundError when there are none."""
    if not (out / REWRITES).exists():
        raise FileNotFoundError(f"{out / REWRITES} does not exist: run the step rewrite")
    return list(read_lines(out / REWRITES, Rewrite))


def _failure(answer: Completion) -> str:
    """Why an answer is no rewriting, "" when it is one."""
    if answer.value is None:
        return f"{answer.error}: {answer.text[:200]}"
    words = len(answer.value["task"].split())
    return OK if 0 < words <= WORDS else f"malformed: {words} words, 1 to {WORDS} are taken"


async def _rewrite_all(
    folder: Path, samples: Sequence[Sample], vlm: Journaled, concurrency: int, keep_failed: bool
) -> list[Rewrite]:
    async def one(sample: Sample) -> Rewrite:
        image = Image(await asyncio.to_thread(confined(folder, sample.image).read_bytes))
        question = prompt("shorten_query", VERSION, query=sample.task)
        made = Rewrite(sample.sample_id, sample.task, image.sha256, "", vlm.model_id, question.template_hash)
        stays = sample.task if keep_failed else ""
        try:
            answer = await vlm.complete(question, [image], SCHEMA, max_tokens=MAX_TOKENS)
        except VLMUnavailable as failure:
            return replace(made, task=stays if failure.final else "", failure=f"unavailable: {failure}")
        if failed := _failure(answer):
            return replace(made, task=stays, failure=failed)
        return replace(made, task=" ".join(answer.value["task"].split()))

    found: dict[str, Rewrite] = {}
    try:
        async with contextlib.aclosing(map_bounded(one, samples, concurrency)) as results:
            async for sample, result in results:
                found[sample.sample_id] = result
                if len(found) % 50 == 0:
                    print(f"rewrote {len(found)} of {len(samples)} queries", file=sys.stderr, flush=True)
    finally:
        await vlm.aclose()
    return [found[sample.sample_id] for sample in samples]
