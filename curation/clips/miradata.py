"""MiraData's metadata CSV, in both published schemas.

v0 (repository): index `{download:012}_{youtube_id}-{clip:06}`, video_id, start_frame, end_frame, captions, fps.
v1 (Hub): clip_id `{download}.{clip}`, source, video_id or video_url, timestamp "['H:M:S.f', 'H:M:S.f']", file_path.
The videos may not be redistributed: rows are marked so, and only the ids-only release will hold them.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Anchored as a whole: a YouTube id may itself hold '-' and '_'.
V0_ID = re.compile(r"\d{12}_[A-Za-z0-9_-]{11}-\d{6}")
V1_ID = re.compile(r"\d{1,12}\.\d{1,9}")
V0_COLUMNS = ("index", "video_id", "start_frame", "end_frame", "short_caption", "fps")
V1_COLUMNS = ("clip_id", "timestamp", "file_path")
CLOCK = r"(\d{1,6}):([0-5]?\d):([0-5]?\d(?:\.\d+)?)"
SLOWEST_FPS = 1e-3  # less is a mistake of the CSV, or leads beyond all times
SPAN = re.compile(rf"\W*{CLOCK}\W+{CLOCK}\W*")
# The start of a next record inside a cell: a quote was opened and not closed.
SWALLOWED = re.compile(r"\n\s*(\d{12}_[A-Za-z0-9_-]{11}-\d{6}|\d{1,12}\.\d{1,9}),")


@dataclass(frozen=True)
class Record:
    """One line of the CSV. `reason` is "" when it is sound."""

    line: int
    clip_id: str
    external_id: str = ""
    start_s: float | None = None
    end_s: float | None = None
    caption: str = ""
    file_path: str = ""
    reason: str = ""
    detail: str = ""


def read_miradata(path: Path) -> list[Record]:
    """The CSV's records in file order; raises ValueError when the file is absent, empty or lacks a column.

    Text is read as UTF-8 (a byte order mark is dropped) and only as Windows-1252 when that fails: the other way round
    never fails and turns every accent into two wrong letters.
    """
    if not path.is_file():
        raise ValueError(f"miradata csv {str(path)!r} is not a file: give the path of the metadata CSV")
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    lines = csv.reader(io.StringIO(text.replace("\0", ""), newline=""))
    header = [name.strip() for name in next(lines, [])]
    if "index" in header:
        wanted, parse = V0_COLUMNS, _v0
    else:
        wanted, parse = V1_COLUMNS, _v1
    missing = [name for name in wanted if name not in header]
    if missing:
        raise ValueError(
            f"miradata csv {path.name!r} lacks the columns {', '.join(missing)}: v0 needs {', '.join(V0_COLUMNS)}; "
            f"v1 needs {', '.join(V1_COLUMNS)}; found {', '.join(filter(None, header)) or 'none'}"
        )
    return list(_records(lines, header, parse))


def _records(lines, header: list[str], parse) -> Iterator[Record]:
    for cells in lines:
        number = lines.line_num
        if not any(cell.strip() for cell in cells):
            yield Record(number, "", reason="blank_row", detail=f"line {number} of the CSV is blank")
            continue
        swallowed = sum(len(SWALLOWED.findall(cell)) for cell in cells)
        if swallowed:
            detail = f"a quote is not closed: {swallowed} further records up to line {number} are inside a cell"
            yield Record(number, "", reason="malformed_row", detail=detail)
            continue
        # Sample files carry trailing columns without a name: they are dropped.
        row = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if name}
        yield parse(number, row)


def _v0(line: int, row: dict[str, str]) -> Record:
    clip_id = row.get("index", "")
    if not V0_ID.fullmatch(clip_id):
        return Record(line, clip_id, reason="bad_id", detail=f"{clip_id!r} is not like 000000008783_AJp_ANXoGoM-000114")
    start, end, fps = (_number(row.get(name, "")) for name in ("start_frame", "end_frame", "fps"))
    if start is None or end is None or fps is None or fps < SLOWEST_FPS or not 0 <= start < end:
        detail = f"start_frame {row.get('start_frame')!r}, end_frame {row.get('end_frame')!r}, fps {row.get('fps')!r}"
        return Record(line, clip_id, reason="bad_times", detail=detail)
    return Record(line, clip_id, clip_id[13:24], start / fps, end / fps, row.get("short_caption", ""), f"{clip_id}.mp4")


def _v1(line: int, row: dict[str, str]) -> Record:
    clip_id = row.get("clip_id", "")
    if not V1_ID.fullmatch(clip_id):
        return Record(line, clip_id, reason="bad_id", detail=f"{clip_id!r} is not like 8783.114")
    span = SPAN.fullmatch(row.get("timestamp", ""))
    clocks = (span.groups()[:3], span.groups()[3:]) if span else ()
    times = [int(hours) * 3600 + int(minutes) * 60 + float(seconds) for hours, minutes, seconds in clocks]
    if not times or not times[0] < times[1]:
        return Record(line, clip_id, reason="bad_times", detail=f"timestamp {row.get('timestamp')!r}")
    video = row.get("video_id") or row.get("video_url", "")
    return Record(line, clip_id, video, *times, row.get("short_caption", ""), row.get("file_path", ""))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value == value and abs(value) < 1e12 else None
