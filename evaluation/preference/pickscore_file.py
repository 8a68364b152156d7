"""What PickScore leaves in a run's folder.

pickscore.jsonl           one PickScored a line, whole or not there
pickscore_skipped.json    instead of it, why it was left out
"""

from dataclasses import dataclass
from pathlib import Path

from evaluation.records import OK, read_one, write_one

PICKSCORES, SKIPPED = "pickscore.jsonl", "pickscore_skipped.json"


@dataclass(frozen=True)
class PickScored:
    """One video's score: the mean of `raw` over `frames` (indices), and `scaled` = raw / 26; None when it failed.

    `prompt` says which text was asked about: "task" (T) or "solution" (D); `cut` whether it was longer than CLIP's 77
    tokens. `failure` is why there is none: no video, or one that does not decode.
    """

    video_id: str
    sample_id: str
    video_sha256: str
    model: str
    prompt: str
    wanted: int
    frames: tuple[int, ...] = ()
    cut: bool = False
    raw: float | None = None
    scaled: float | None = None
    failure: str = OK


@dataclass(frozen=True)
class Skipped:
    reason: str


def write_skipped(folder: Path, reason: str) -> None:
    write_one(folder / SKIPPED, Skipped(reason))


def read_skipped(folder: Path) -> str:
    """Why PickScore was left out of a run; "" when it was not, or was never asked for."""
    path = folder / SKIPPED
    return read_one(path, Skipped).reason if path.is_file() else ""
