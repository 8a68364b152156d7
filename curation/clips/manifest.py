"""From a source to one row a clip: identity, place and container facts, or the reason why there are none."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from curation.clips.content import WHOLE, Content, content_of, written_again
from curation.clips.folder import Entry, list_videos, printable
from curation.clips.located import Addresses, located
from curation.clips.stage import STAGE
from curation.schemas import CLIPS
from curation.shards import shard_of
from media.errors import MediaError
from media.http_ranges import spoken
from media.pool import MediaPool
from media.remote import SERVERS
from storage.files import PathOutsideRoot, sha256_bytes
from storage.journal import Journal
from storage.tables import KEPT, REJECTED

# Findings about a moment or a machine, not about the file: they are looked for again.
PASSING = SERVERS | {"timeout", "decoder_crashed", "worker_failed", "out_of_memory", "outside_source"}

# What a probe finds: media/probe.py.
FACTS = CLIPS.names[CLIPS.names.index("duration_s") : CLIPS.names.index("status")]


@dataclass(frozen=True)
class Candidate:
    """A clip before its file is opened. `reason` is "" when there is a file to open."""

    clip_id: str
    path: str = ""  # relative to the source folder, as the file system spells it
    digest: str = ""  # changes when the content does
    samples: str = ""  # see content.Content; equal for copies
    size_bytes: int = 0
    external_id: str = ""
    external_start_s: float | None = None
    external_end_s: float | None = None
    caption: str = ""
    redistributable: bool = False
    reason: str = ""
    detail: str = ""
    # Not in the repr, which tables of other sources carry as their fingerprint.
    whole_video: bool = field(default=False, repr=False)  # the file is the video that the clip is a part of
    tolerance_s: float = field(default=0.0, repr=False)  # by which lengths may differ from external_start_s, _end_s


def folder_candidates(folder: Path, redistributable: bool, digests: Journal) -> list[Candidate]:
    """The videos of a folder; a clip's id is the first 16 digits of its content's identity.

    `digests` remembers contents by path, so that listing again reads no file that stayed as it was. Of files with equal
    content the first by path is the clip and the others are rejected (duplicate_id). A file that differs from another
    with its identity, such as a download that is not complete, has an id of its own.
    """
    found = (from_entry(folder, entry, digests) for entry in list_videos(folder))
    return [replace(candidate, redistributable=redistributable) for candidate in without_twins(found)]


def without_twins(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    first: dict[str, Candidate] = {}
    for candidate in candidates:
        twin = first.setdefault(candidate.clip_id, candidate)
        if twin is not candidate and twin.samples != candidate.samples:
            candidate = replace(candidate, clip_id=candidate.samples[:16])
            twin = first.setdefault(candidate.clip_id, candidate)
        if twin is not candidate:
            candidate = replace(
                candidate,
                clip_id=f"{candidate.clip_id}-{name_hash(candidate.path)}",
                reason="duplicate_id",
                detail=f"same content as {shown(twin.path)}",
            )
        yield candidate


def name_hash(text: str) -> str:
    return sha256_bytes(text.encode("utf-8", "surrogateescape"))[:8]


def from_entry(folder: Path, entry: Entry, digests: Journal) -> Candidate:
    named = f"{entry.reason or 'empty_file'}-{name_hash(entry.path)}"
    if entry.reason:
        return Candidate(named, entry.path, reason=entry.reason, detail=entry.detail)
    if entry.path != printable(entry.path):
        detail = "the file's name is not UTF-8: rename it"
        return Candidate(
            f"undecodable_name-{name_hash(entry.path)}", entry.path, reason="undecodable_name", detail=detail
        )
    if entry.size_bytes == 0:
        return Candidate(named, entry.path, reason="empty_file", detail="0 bytes")
    try:
        content, digest = _content(folder, entry, digests)
    except OSError as error:
        reason = f"unreadable_file-{name_hash(entry.path)}"
        return Candidate(reason, entry.path, reason="unreadable_file", detail=error.strerror or str(error))
    return Candidate(content.identity[:16], entry.path, digest, content.samples, entry.size_bytes)


def _content(folder: Path, entry: Entry, digests: Journal) -> tuple[Content, str]:
    """A file's content, and the digest that its results are kept by.

    A file that was written since it was looked at counts as another, though it looks the same: what changed may lie
    between the samples. When only the file system's own time is another (a file was renamed, or its rights were
    changed, or it was written and its old time put back), the samples decide. Raises OSError.
    """
    stamp = [entry.size_bytes, entry.modified_ns, entry.changed_ns]
    key = f"content|{entry.path}"
    known = digests.get(key)
    if known is not None and known["stamp"] == stamp:
        return Content(known["identity"], known["samples"]), known["digest"]
    content = content_of(folder / entry.path)
    digest = content.samples
    if known is not None and known["samples"] == digest and entry.size_bytes > WHOLE:
        same_time = known["stamp"][1] == entry.modified_ns
        digest = known["digest"] if same_time else written_again(digest, entry.modified_ns)
    digests.put(key, {"stamp": stamp, "identity": content.identity, "samples": content.samples, "digest": digest})
    return content, digest


def shown(path: str) -> str:
    """For tables and pages: of an address without its query, which may hold a secret."""
    return spoken(path) if "://" in path else printable(path)


def in_shard(candidates: Iterable[Candidate], shard: str, count: int) -> list[Candidate]:
    """The candidates of one shard, by id."""
    return sorted((c for c in candidates if shard_of(c.clip_id, count) == shard), key=lambda c: c.clip_id)


def probe_rows(
    candidates: list[Candidate],
    folder: Path | Addresses,
    journal: Journal,
    pool: MediaPool,
    cut_threshold: float | None = None,
) -> Iterator[dict]:
    """One CLIPS row a candidate, in the order given; each file is opened once, in a worker process.

    Probes are journaled by content digest and the stage's version, but for those that say nothing lasting about the
    file. `cut_threshold`: see ClipsOptions.
    """
    jobs, found = {}, {}
    version = STAGE.version if cut_threshold is None else f"{STAGE.version}:cuts {cut_threshold!r}"
    for candidate in candidates:
        if not candidate.reason:
            found[candidate.digest] = journal.get(f"{candidate.digest}:{version}")
            if found[candidate.digest] is None:
                try:
                    jobs[candidate.digest] = _job(candidate, located(folder, candidate.path), cut_threshold)
                except PathOutsideRoot as error:
                    found[candidate.digest] = {"reason": "outside_source", "detail": str(error)}
    for job, result in pool.run(list(jobs.values())):
        failed = isinstance(result, MediaError)
        record = {"reason": result.reason, "detail": result.detail} if failed else {"facts": result}
        found[job["digest"]] = record
        if record.get("reason") not in PASSING:
            journal.put(f"{job['digest']}:{version}", record)
    for candidate in candidates:
        record = {"reason": candidate.reason, "detail": candidate.detail}
        yield _row(candidate, record if candidate.reason else _of_length(candidate, found[candidate.digest]))


def _job(candidate: Candidate, path: str, cut_threshold: float | None) -> dict:
    job = {"verb": "probe", "path": path, "digest": candidate.digest, "cut_threshold": cut_threshold}
    if candidate.whole_video:
        job["span"] = [candidate.external_start_s, candidate.external_end_s]
    return job


def _of_length(candidate: Candidate, record: dict) -> dict:
    """The record, or why there is none: the file is not as long as the clip is said to be."""
    if candidate.external_end_s is None or "facts" not in record:
        return record
    facts, start_s, end_s = record["facts"], candidate.external_start_s, candidate.external_end_s
    if candidate.whole_video and end_s > facts["file_s"] + candidate.tolerance_s:
        said = f"the video has {facts['file_s']:.2f} s, the clip is {start_s:.2f} to {end_s:.2f} s of it"
        return {"reason": "shorter_than_row", "detail": said}
    if not candidate.whole_video and abs(facts["duration_s"] - (end_s - start_s)) > candidate.tolerance_s:
        said = f"the file has {facts['duration_s']:.2f} s, the clip should have {end_s - start_s:.2f} s"
        return {"reason": "length_differs", "detail": said}
    return record


def _row(candidate: Candidate, record: dict) -> dict:
    facts = record.get("facts", {})
    reason = record.get("reason", "")
    row = dict.fromkeys(CLIPS.names)
    row |= {name: facts.get(name) for name in FACTS}
    row |= {name: getattr(candidate, name) for name in Candidate.__dataclass_fields__ if name in row}
    if "begins_s" in facts:
        row["external_start_s"] = facts["begins_s"]
    path = shown(candidate.path) if reason else printable(candidate.path)
    row |= {"path": path, "status": REJECTED if reason else KEPT}
    row |= {"reason": reason, "detail": printable(record.get("detail", ""))}
    return row
