"""Sparse frame extraction: a few stills a clip, found by its keyframe index, as JPEG files and table rows."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from curation.clips.located import Addresses, located
from curation.frames.options import FramesOptions
from curation.frames.stage import STAGE
from media.errors import MediaError
from media.http_ranges import spoken
from media.index import FrameIndex
from media.plan import milliseconds, plan_clip, with_neighbours
from media.pool import MediaPool
from media.remote import SERVERS
from storage.files import exclusive
from storage.journal import Journal
from storage.tables import KEPT, REJECTED

# The share of a clip's time after which frames that are hard to reach are given up, so that the others are not lost.
PATIENCE = 0.75
AGAIN = SERVERS | {"worker_failed"}
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def options_digest(options: FramesOptions) -> str:
    """Of everything that the results depend on, the stage's version included: a part of every journal key."""
    version = int(STAGE.version) if STAGE.version.isdecimal() else STAGE.version
    text = json.dumps([version, options.decisive()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def extract_frames(
    clips: Iterable[dict],
    source: Path | Addresses,
    out: Path,
    shard: str,
    journal: Journal,
    options: FramesOptions,
    pool: MediaPool,
) -> Iterator[dict]:
    """Rows of curation.schemas.FRAMES for the kept rows of curation.schemas.CLIPS, sorted by frame_id.

    Clip paths are relative to `source`, or addresses; images go to out/frames/<shard>/<two hex digits>/<frame_id>.jpg.
    Finished clips are journaled, so that a killed run repeats none and ends with the same bytes. A clip that cannot be
    read gives one rejected row, `<clip_id>_failed`; a frame that cannot be had gives its own. Two runs of one shard
    take turns. Raises OSError when `out` cannot be written, ValueError for a clip id or shard that is no safe file name
    or comes twice.
    """
    folder = f"frames/{check_name('shard', shard)}"
    kept = {check_name("clip_id", clip["clip_id"]): clip for clip in checked_distinct(clips, shard)}
    with exclusive(journal.path.with_name(journal.path.name + ".lock")):
        # Halves of images that a killed run left behind; nobody else writes here while we hold the lock.
        for leftover in (out / folder).glob("*/.*.tmp"):
            leftover.unlink()
        results: dict[str, list[dict]] = {}
        digest = options_digest(options)

        def jobs() -> Iterator[dict]:
            for clip_id, clip in kept.items():
                key = f"{clip_id}:{clip['digest']}:{digest}"
                if clip.get("cut_pts"):
                    key += f":{hashlib.sha256(repr(clip['cut_pts']).encode()).hexdigest()[:16]}"
                done = finished(journal.get(key), out, options)
                results[clip_id] = done or []
                if done is not None:
                    continue
                try:
                    yield job_of(clip, key, source, out, folder, options)
                except MediaError as error:
                    results[clip_id] = record(journal, key, [failed_row(clip_id, error)], options)

        for job, outcome in pool.run(jobs(), options.timeout_s):
            clip_id = job["clip_id"]
            if isinstance(outcome, MediaError):
                rows = [failed_row(clip_id, outcome)]
            else:
                rows = frame_rows(clip_id, job, outcome)
            results[clip_id] = record(journal, job["key"], rows, options)
    yield from sorted((row for rows in results.values() for row in rows), key=lambda row: row["frame_id"])


def checked_distinct(clips: Iterable[dict], shard: str) -> Iterator[dict]:
    """The kept clips; raises ValueError when an id comes twice."""
    seen = set()
    for clip in clips:
        if clip["status"] == KEPT:
            if clip["clip_id"] in seen:
                raise ValueError(f"clip_id {clip['clip_id']!r} comes twice in shard {shard!r}")
            seen.add(clip["clip_id"])
            yield clip


def check_name(what: str, name: str) -> str:
    if not SAFE_NAME.fullmatch(name):
        raise ValueError(f"{what} {name!r}: letters, digits, '.', '_' and '-' are expected, at most 128 of them")
    return name


def finished(entry: dict | None, out: Path, options: FramesOptions) -> list[dict] | None:
    """The journaled rows of a clip, or None when it must be done (again).

    Again: an image is gone, the clip ran out of time and has more now, the worker stumbled over a bug of ours, or a
    server did not answer.
    """
    if entry is None:
        return None
    rows = entry["rows"]
    reasons = {row["reason"] for row in rows}
    if reasons & AGAIN or ("timeout" in reasons and options.timeout_s > entry["timeout_s"]):
        return None
    if any(row["status"] == KEPT and not (out / row["image"]).is_file() for row in rows):
        return None
    return rows


def record(journal: Journal, key: str, rows: list[dict], options: FramesOptions) -> list[dict]:
    journal.put(key, {"rows": rows, "timeout_s": options.timeout_s})
    return rows


def job_of(clip: dict, key: str, source: Path | Addresses, out: Path, folder: str, options: FramesOptions) -> dict:
    """The worker's job for one clip; raises MediaError when the row itself is at fault."""
    try:
        path = located(source, clip["path"])
    except (ValueError, OSError, RuntimeError) as error:  # it leads outside; a NUL in it; a symlink loop (RuntimeError)
        named = spoken(clip["path"]) if "://" in clip["path"] else clip["path"]
        raise MediaError("unsafe_path", f"{named!r}: {type(error).__name__}") from None
    try:
        index = FrameIndex.from_row(clip)
        cuts = clip.get("cut_pts") or ()
        plan = plan_clip(index, options.count, options.every_s, options.mode, options.long_clip_s, cuts)
        if clip["interlaced"] and options.interlaced == "deinterlace":
            plan = with_neighbours(plan, index)
    except ValueError as error:
        raise MediaError("bad_index", str(error)) from None
    images = [[frame.pts, image_path(folder, frame_id(clip["clip_id"], frame.seconds))] for frame in plan.wanted]
    return {
        "verb": "extract",
        "path": path,
        "plan": plan.to_json(),
        "out": str(out.resolve()),
        "images": images,
        "max_side_px": options.max_side_px,
        "jpeg_quality": options.jpeg_quality,
        "patience_s": PATIENCE * options.timeout_s,
        "interlaced": options.interlaced,
        "hdr": options.hdr,
        "clip_id": clip["clip_id"],
        "key": key,
    }


def frame_id(clip_id: str, seconds: float) -> str:
    return f"{clip_id}_{milliseconds(seconds):08d}"


def image_path(folder: str, name: str) -> str:
    """256 buckets keep a folder under 10,000 entries up to two million frames a shard."""
    return f"{folder}/{hashlib.sha256(name.encode()).hexdigest()[:2]}/{name}.jpg"


def frame_rows(clip_id: str, job: dict, results: list[dict]) -> list[dict]:
    """One row for each frame of a job, kept or rejected."""
    mode, images = job["plan"]["mode"], dict(job["images"])
    rows = []
    for (pts, seconds, requested_s), result in zip(job["plan"]["wanted"], results, strict=True):
        kept = "reason" not in result
        rows.append(
            {
                "frame_id": frame_id(clip_id, seconds),
                "clip_id": clip_id,
                "seconds": seconds,
                "image": images[pts] if kept else "",
                "image_sha256": result["sha256"] if kept else "",
                "width": result["width"] if kept else None,
                "height": result["height"] if kept else None,
                "requested_s": requested_s,
                "pts": pts,
                "mode": mode,
                "status": KEPT if kept else REJECTED,
                "reason": "" if kept else result["reason"],
                "detail": "" if kept else result["detail"],
            }
        )
    return rows


def failed_row(clip_id: str, error: MediaError) -> dict:
    """The one row of a clip that gave no frame."""
    nothing = dict.fromkeys(["seconds", "width", "height", "requested_s", "pts"])
    return {
        "frame_id": f"{clip_id}_failed",
        "clip_id": clip_id,
        "image": "",
        "image_sha256": "",
        "mode": "",
        "status": REJECTED,
        "reason": error.reason,
        "detail": error.detail,
        **nothing,
    }
