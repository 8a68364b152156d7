"""The clips of a MiraData CSV and the files that hold them: one for each clip, or whole videos they are parts of."""

import re
from dataclasses import replace
from pathlib import Path

from curation.clips.folder import Entry, list_videos
from curation.clips.manifest import Candidate, from_entry
from curation.clips.miradata import Record, read_miradata
from storage.files import sha256_bytes
from storage.journal import Journal

# A YouTube id in an address, as a v1 CSV without video_id has it; and in brackets, where yt-dlp ends a file's name.
IN_ADDRESS = re.compile(r"(?:[?&]v=|youtu\.be/|/shorts/|/embed/)([A-Za-z0-9_-]{11})(?![A-Za-z0-9_-])")
IN_BRACKETS = re.compile(r"\[([A-Za-z0-9_-]{11})\]\Z")


class Files:
    """Where the videos below a folder are, by path and by name."""

    def __init__(self, folder: Path):
        entries = [entry for entry in list_videos(folder) if not entry.reason]
        self._by_path = {entry.path: entry for entry in entries}
        self._by_name: dict[str, Entry] = {}
        for entry in entries:
            self._by_name.setdefault(Path(entry.path).stem, entry)
        for entry in entries:
            if bracketed := IN_BRACKETS.search(Path(entry.path).stem):
                self._by_name.setdefault(bracketed[1], entry)

    def clip(self, record: Record) -> Entry | None:
        """The file that holds the clip alone: the CSV's own path, or `<clip id>.*`, v1 ids with '.' also as '_'."""
        named = self._by_name.get(record.clip_id) or self._by_name.get(record.clip_id.replace(".", "_"))
        return self._by_path.get(record.file_path) or named

    def video(self, record: Record) -> Entry | None:
        """The file of the whole video: `<video id>.*`, `<title> [<video id>].*`, or the clip's id up to its first "-",
        as MiraData's downloader names it."""
        address = IN_ADDRESS.search(record.external_id)
        names = [address[1] if address else record.external_id]
        if "-" in record.clip_id:
            names.append(record.clip_id.split("-")[0])
        return next((self._by_name[name] for name in names if name in self._by_name), None)


def miradata_candidates(csv_path: Path, folder: Path, digests: Journal, tolerance_s: float = 2.0) -> list[Candidate]:
    """The clips of a MiraData CSV whose files lie below `folder`, absent ones listed as absent.

    A file of the clip alone comes first, then the whole video. Clips of one video share its file, and each has a digest
    of its own. A second line with the same id is rejected (duplicate_id).
    """
    files, found, seen = Files(folder), [], set()
    for record in read_miradata(csv_path):
        facts = Candidate(
            record.clip_id,
            external_id=record.external_id,
            external_start_s=record.start_s,
            external_end_s=record.end_s,
            caption=record.caption,
            tolerance_s=tolerance_s,
        )
        if record.reason:
            row_id = f"{record.reason}-line-{record.line:06d}"
            candidate = replace(facts, clip_id=row_id, reason=record.reason, detail=record.detail)
        elif record.clip_id in seen:
            row_id = f"{record.clip_id}-line-{record.line:06d}"
            candidate = replace(facts, clip_id=row_id, reason="duplicate_id", detail=f"line {record.line} repeats it")
        else:
            candidate = _with_file(facts, record, files, folder, digests)
        seen.add(record.clip_id)
        found.append(candidate)
    return found


def _with_file(facts: Candidate, record: Record, files: Files, folder: Path, digests: Journal) -> Candidate:
    entry = files.clip(record)
    whole = entry is None
    entry = entry or files.video(record)
    if entry is None:
        wanted = f"no {record.clip_id}.* and no {record.external_id or 'video'}.* below the source folder"
        return replace(facts, reason="absent", detail=wanted)
    opened = from_entry(folder, entry, digests)
    digest = opened.digest
    if whole and digest:
        digest = sha256_bytes(f"{digest} {record.start_s!r} {record.end_s!r}".encode())
    return replace(
        facts,
        path=opened.path,
        digest=digest,
        samples=opened.samples,
        size_bytes=opened.size_bytes,
        reason=opened.reason,
        detail=opened.detail,
        whole_video=whole,
    )
