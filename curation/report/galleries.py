"""Which frames and clips a reader gets to see: a fair, repeatable handful for every stage and reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.report.scan import rows_where, sample
from curation.report.summaries import StageCount
from curation.report.thumbnails import Thumbnails
from storage.tables import KEPT, REJECTED

# What a caption tells of a frame besides the verdict's own words.
SHOWN = {
    "frames": ("requested_s", "mode"),
    "quality": ("laplacian_var", "mean_luma"),
    "aesthetics": ("score", "aesthetic"),
    "screening": ("log_odds",),
}
PICTURED = tuple(SHOWN)


@dataclass(frozen=True)
class Caps:
    """How much of everything is shown. Counts beside each gallery tell what was left out."""

    per_reason: int = 12
    reasons: int = 12
    clips: int = 100
    sample_frames: int = 6
    duplicates: int = 8


@dataclass(frozen=True)
class Picture:
    """One figure. `uri` is "" when there is no picture, and `absence` says why."""

    frame_id: str
    uri: str
    absence: str
    width: int
    height: int
    values: tuple[tuple[str, float | str], ...]
    detail: str


@dataclass(frozen=True)
class Gallery:
    """Some of the `total` rows with one status and reason."""

    status: str
    reason: str
    total: int
    pictures: tuple[Picture, ...]


def galleries(
    count: StageCount, paths: Sequence[Path], thumbnails: Thumbnails, caps: Caps
) -> tuple[list[Gallery], dict[str, int]]:
    """The kept gallery and one for each of the most frequent reasons, then the {reason: rows} that were not shown."""
    reasons = dict(list(count.reasons.items())[: caps.reasons])
    chosen = sample(paths, "frame_id", ["status", "reason"], caps.per_reason, salt=count.stage)
    totals = {(KEPT, ""): count.kept} | {(REJECTED, reason): rows for reason, rows in reasons.items()}
    wanted = [frame_id for key in totals for frame_id in chosen.get(key, ())]
    columns = ["frame_id", "image", "width", "height", "status", "reason", "detail", *SHOWN[count.stage]]
    found = {row["frame_id"]: row for row in rows_where(paths, "frame_id", wanted, columns)}
    shown = [
        Gallery(
            status,
            reason,
            total,
            tuple(picture(found[name], count.stage, thumbnails) for name in chosen[status, reason]),
        )
        for (status, reason), total in totals.items()
        if total and chosen.get((status, reason))
    ]
    return shown, {reason: rows for reason, rows in count.reasons.items() if reason not in reasons}


def picture(row: dict, stage: str, thumbnails: Thumbnails) -> Picture:
    """The figure of one row of a frame stage."""
    uri, absence = thumbnails.uri(row["image"] or "")
    values = tuple((name, row[name]) for name in SHOWN[stage] if row[name] is not None)
    return Picture(
        row["frame_id"],
        uri,
        absence,
        row["width"] or 0,
        row["height"] or 0,
        values,
        "" if row["status"] == KEPT else row["detail"] or "",
    )


def rejected_clips(paths: Sequence[Path], count: StageCount, caps: Caps) -> list[dict]:
    """Up to `caps.clips` rejected clips: clip_id, path, external_id, reason, detail; each reason its fair part."""
    if not count.reasons:
        return []
    chosen = sample(paths, "clip_id", ["status", "reason"], max(1, caps.clips // len(count.reasons)), salt="clips")
    wanted = [name for (status, _), names in chosen.items() if status == REJECTED for name in names]
    columns = ["clip_id", "path", "external_id", "status", "reason", "detail"]
    rows = [row for row in rows_where(paths, "clip_id", wanted, columns) if row["status"] == REJECTED]
    return sorted(rows, key=lambda row: (row["reason"], row["path"] or "", row["clip_id"]))[: caps.clips]
