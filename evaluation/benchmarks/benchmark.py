"""A benchmark as generation takes it: samples, and the folder that their images lie in."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.records import Sample
from storage.files import PathOutsideRoot, confined

AGENT = re.compile(r"\[(?P<agent>[^\[\]\n]+)\]: ")


class BadBenchmark(ValueError):
    """A benchmark that cannot be taken; the message names file, line and field."""


@dataclass(frozen=True)
class Benchmark:
    """`samples` in the benchmark's order, their images below `folder`; `version` changes with what they are."""

    name: str
    version: str
    folder: Path
    samples: tuple[Sample, ...]


def agent_of(task: str) -> str:
    """What stands in the brackets of `[Agent]: Instruction.`; "" without them."""
    match = AGENT.match(task)
    return match["agent"].strip() if match else ""


def image_path(folder: Path, image: str, where: str, missing_allowed: bool = False) -> Path:
    """The file of an image. Raises BadBenchmark when it leaves `folder` or, unless that is allowed, is not there."""
    try:
        path = confined(folder, image)
    except (PathOutsideRoot, ValueError) as error:  # ValueError: a null byte in the name
        raise BadBenchmark(f"{where}, image: {error}") from error
    if not missing_allowed and not path.is_file():
        raise BadBenchmark(f"{where}, image: {path} does not exist")
    return path


def check_samples(samples: Sequence[Sample], where: Sequence[str]) -> None:
    """Raises BadBenchmark, naming the place in `where`, for an empty or doubled id, an empty task; and for none."""
    if not samples:
        raise BadBenchmark("the benchmark has no samples: it needs at least one")
    seen: dict[str, str] = {}
    for sample, place in zip(samples, where, strict=True):
        for name in ("sample_id", "task", "image"):
            if not getattr(sample, name).strip():
                raise BadBenchmark(f"{place}: {name} is empty")
        if sample.sample_id in seen:
            raise BadBenchmark(f"{place}, id: {sample.sample_id!r} is already used in {seen[sample.sample_id]}")
        seen[sample.sample_id] = place


def version_of(samples: Sequence[Sample], image_hashes: Sequence[str]) -> str:
    """12 hexadecimal digits over ids, texts and pictures, in their order."""
    digest = hashlib.sha256()
    for sample, image in zip(samples, image_hashes, strict=True):
        parts = (sample.sample_id, sample.task, sample.solution, image)
        digest.update("".join(f"{len(part)}:{part}" for part in parts).encode())
    return digest.hexdigest()[:12]
