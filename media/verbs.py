"""What a worker process can be asked to do.

A verb takes a job (JSON values) and returns JSON values or raises MediaError.
"""

from pathlib import Path

from media.index import FrameIndex
from media.plan import Plan
from media.probe import probe
from media.remote import place
from media.shots import find_cuts
from media.span import within
from media.stills import write_stills
from media.treatment import Treatment


def probe_file(job: dict) -> dict:
    """{"verb": "probe", "path": absolute or an address, "cut_threshold": number, null or absent, "span": [start, end]
    in seconds, null or absent} -> the container columns of curation.schemas.CLIPS, with a threshold also `cut_pts`, for
    which every frame is decoded. With a span they are those of that part, see media/span.py."""
    path, span = place(job["path"]), job.get("span")
    facts = probe(path)
    if span:
        facts = within(facts, *span)
    if job.get("cut_threshold") is not None:
        facts["cut_pts"] = find_cuts(path, FrameIndex.from_row(facts), job["cut_threshold"], part=bool(span))
    return facts


def extract_stills(job: dict) -> list[dict]:
    """{"verb": "extract", "path", "plan": Plan.to_json(), "out", "images": [[pts, relative path], ...],
    "max_side_px", "jpeg_quality", "interlaced", "hdr", "patience_s"} -> what write_stills returns."""
    return write_stills(
        place(job["path"]),
        Plan.from_json(job["plan"]),
        Path(job["out"]),
        dict(job["images"]),
        job["max_side_px"],
        job["jpeg_quality"],
        Treatment(job["interlaced"], job["hdr"]),
        job["patience_s"],
    )


VERBS = {"probe": probe_file, "extract": extract_stills}
