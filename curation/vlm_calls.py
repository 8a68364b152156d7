"""What the stages that ask the VLM share: the reason of a row without an answer, a frame's picture."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from curation.frame_files import read_frame
from curation.options import AskOptions
from curation.schemas import FRAME, UNFINISHED
from models.vlm.ask_all import Ask, ask_all
from models.vlm.protocol import VLM, Image, VLMUnavailable

CARRIED = [*(name for name, _ in FRAME), "phash"]


def failure_reason(error: VLMUnavailable) -> str:
    """The reason of a row without an answer: `vlm_unavailable`, which the next run asks again, or a final one.

    Final are the model's own failures, and requests that the server refuses while it answers others (ask_all).
    """
    return f"vlm_{error.kind}" if error.final or error.rejected else UNFINISHED


def answers_to(
    items: Iterable[dict], ask: Ask, vlm: VLM, journal: Path, options: AskOptions, concurrency: int, run, tally
) -> list[tuple[dict, Any]]:
    """`ask_all` with the limits of a stage's options."""
    limits = {"max_malformed_share": options.max_malformed_share, "tally": tally}
    return ask_all(items, ask, vlm, journal, concurrency, options.max_failed_share, run, **limits)


def exactly(count: int, name: str, properties: dict[str, dict]) -> dict:
    """JSON Schema of {name: [...]} with exactly `count` objects that have all of `properties` and nothing else."""
    item = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    items = {"type": "array", "items": item, "minItems": count, "maxItems": count}
    return {"type": "object", "properties": {name: items}, "required": [name], "additionalProperties": False}


def frame_image(row: dict, folder: Path) -> Image:
    """The JPEG of a frame's row, read from the collection's folder. Raises DamagedImage for another one."""
    return Image(read_frame(folder, row))


def carried(row: dict) -> dict:
    """The columns that identify a frame, for the next stage's row."""
    return {name: row[name] for name in CARRIED}
