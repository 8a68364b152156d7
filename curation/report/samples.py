"""Frames with all their task-solution pairs, and near-duplicates side by side."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from curation.report.galleries import Caps
from curation.report.scan import batches, rows_where, sample
from curation.report.thumbnails import SAMPLE_EDGE, Thumbnails
from storage.tables import KEPT, REJECTED

LONGEST_TEXT = 1500  # characters of one text; a solution has 90 words
FRAME_ID = re.compile(r"[\w.-]+?_\d{8,}(?!\d)")


@dataclass(frozen=True)
class Pair:
    """A task T, its solution D and what became of them; `reason` is the rule's name, "" when kept."""

    task: str
    solution: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Sample:
    """A frame beside its pairs, in the order they were written."""

    frame_id: str
    uri: str
    absence: str
    model: str
    pairs: tuple[Pair, ...]

    @property
    def kept(self) -> int:
        return sum(not pair.reason for pair in self.pairs)

    @property
    def opened(self) -> Pair | None:
        """The pair whose solution is shown unasked: the first that was kept."""
        return next((pair for pair in self.pairs if not pair.reason), None)


def task_samples(paths: Sequence[Path], thumbnails: Thumbnails, caps: Caps) -> list[Sample]:
    """Frames drawn evenly, half of them from those that lost a pair when there are such."""
    dropped = sample(paths, "frame_id", ["status"], caps.sample_frames // 2, salt="dropped").get((REJECTED,), [])
    drawn = sample(paths, "frame_id", [], caps.sample_frames, salt="tasks").get((), [])
    chosen = list(dict.fromkeys([*dropped, *drawn]))[: caps.sample_frames]
    columns = ["frame_id", "image", "task_index", "task", "solution", "vlm", "status", "reason", "detail"]
    rows = rows_where(paths, "frame_id", chosen, columns)
    samples = []
    for frame_id in sorted(chosen):
        own = sorted((row for row in rows if row["frame_id"] == frame_id), key=lambda row: row["task_index"] or 0)
        uri, absence = thumbnails.uri(own[0]["image"] or "", SAMPLE_EDGE)
        pairs = tuple(
            Pair(
                clipped(row["task"]),
                clipped(row["solution"]),
                "" if row["status"] == KEPT else row["reason"] or "rejected",
                clipped(row["detail"]),
            )
            for row in own
        )
        samples.append(Sample(frame_id, uri, absence, own[0]["vlm"] or "", pairs))
    return samples


def clipped(text: str | None) -> str:
    """At most LONGEST_TEXT characters, saying how many were left out."""
    text = text or ""
    return (
        text
        if len(text) <= LONGEST_TEXT
        else f"{text[:LONGEST_TEXT]} [... {len(text) - LONGEST_TEXT:,} more characters]"
    )


def removed_images(paths: Sequence[Path]) -> frozenset[str]:
    """The images that the dataset leaves out because somebody asked for it: the report must not show them either."""
    return frozenset(row["image"] for row in rows_where(paths, "reason", ["removed_on_request"], ["image"]))


@dataclass(frozen=True)
class Twins:
    """A removed frame, the frame it resembles, and in how many of 64 bits their perceptual hashes differ."""

    removed: str
    kept: str
    removed_uri: str
    kept_uri: str
    distance: int | None
    detail: str


def near_duplicates(paths: Sequence[Path], thumbnails: Thumbnails, caps: Caps) -> tuple[list[Twins], int]:
    """Some frames removed for a `duplicate` reason, beside the frame their detail names; how many were removed."""
    details: dict[str, str] = {}
    for table in batches(paths, ["frame_id", "reason", "detail"]):
        part = table.filter(pc.match_substring(table["reason"], "duplicate"))
        for frame_id, detail in zip(part["frame_id"].to_pylist(), part["detail"].to_pylist(), strict=True):
            details.setdefault(frame_id, detail or "")
    named = {}
    for frame_id in sorted(details):
        others = [name for name in FRAME_ID.findall(details[frame_id]) if name != frame_id]
        if others:
            named[frame_id] = others[0]
    chosen = spread(sorted(named), 4 * caps.duplicates)  # more than shown: the named frame may be missing
    wanted = {*chosen, *(named[frame_id] for frame_id in chosen)}
    found = {row["frame_id"]: row for row in rows_where(paths, "frame_id", wanted, ["frame_id", "image", "phash"])}
    twins = []
    for frame_id in chosen:
        one, other = found[frame_id], found.get(named[frame_id])
        if other is None or len(twins) == caps.duplicates:
            continue
        uris = [thumbnails.uri(row["image"] or "")[0] for row in (one, other)]
        twins.append(Twins(frame_id, named[frame_id], *uris, hamming(one["phash"], other["phash"]), details[frame_id]))
    return twins, len(details)


def spread(items: list[str], cap: int) -> list[str]:
    """Up to `cap` items at even distances."""
    return items if len(items) <= cap else [items[index * len(items) // cap] for index in range(cap)]


def hamming(one: str | None, other: str | None) -> int | None:
    """Bits in which two hexadecimal hashes differ; None when either is absent or not hexadecimal."""
    try:
        return (int(one or "", 16) ^ int(other or "", 16)).bit_count()
    except ValueError:
        return None
