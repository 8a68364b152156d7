"""One yes/no question a frame; the answer is a log-odds, as in the paper's rewards (section 4.1), used as a filter."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from curation.screening.options import ScreeningOptions
from curation.vlm_calls import answers_to, carried, failure_reason, frame_image
from models.vlm.prompts import prompt
from models.vlm.protocol import VLM, LogOdds, VLMUnavailable
from models.vlm.tally import Tally
from storage.tables import KEPT, REJECTED

PROMPT = "screening"


def screen_frames(
    rows: Iterable[dict],
    folder: Path,
    vlm: VLM,
    journal: Path,
    options: ScreeningOptions,
    concurrency: int,
    run=asyncio.run,
    tally: Tally | None = None,
) -> list[dict]:
    """SCREENING rows for kept AESTHETICS rows, in the order given. Raises TooManyFailures as `ask_all`."""
    question = prompt(PROMPT, options.prompt_version)

    async def ask(client: VLM, row: dict) -> LogOdds:
        return await client.log_odds(question, [frame_image(row, folder)])

    answered = answers_to(rows, ask, vlm, journal, options, concurrency, run, tally)
    return [
        carried(row)
        | {"vlm": vlm.model_id, "prompt_hash": question.template_hash, "threshold": options.threshold}
        | _verdict(answer, options.threshold)
        for row, answer in answered
    ]


def _verdict(answer: LogOdds | VLMUnavailable, threshold: float) -> dict:
    if isinstance(answer, VLMUnavailable):
        verdict = {"status": REJECTED, "reason": failure_reason(answer), "detail": str(answer)}
        none = {"log_odds": None, "exact": None, "mass": answer.mass, "prompt_tokens": 0, "completion_tokens": 0}
        return none | verdict
    unsuitable = answer.value < threshold
    return {
        "log_odds": answer.value,
        "exact": answer.exact,
        "mass": answer.mass,
        "prompt_tokens": answer.usage.prompt_tokens,
        "completion_tokens": answer.usage.completion_tokens,
        "status": REJECTED if unsuitable else KEPT,
        "reason": "unsuitable" if unsuitable else "",
        "detail": f"log-odds {answer.value:.2f} < {threshold:g}" if unsuitable else "",
    }
