"""What a worker process can be asked to do.

A verb takes a job (JSON values) and returns JSON values or raises MediaError.
"""

from pathlib import Path

from assets.media.plan import Plan, Run, Wanted
from assets.media.probe import probe
from assets.media.stills import write_stills


def probe_file(job: dict) -> dict:
    """{"verb": "probe", "path": absolute} -> the container columns of assets.schemas.CLIPS."""
    return probe(Path(job["path"]))


def extract_stills(job: dict) -> list[dict]:
    """{"verb": "extract", "path", "plan": plan_to_json(...), "out", "images": [[pts, relative path], ...],
    "max_side_px", "jpeg_quality"} -> what write_stills returns."""
    return write_stills(
        Path(job["path"]),
        plan_from_json(job["plan"]),
        Path(job["out"]),
        dict(job["images"]),
        job["max_side_px"],
        job["jpeg_quality"],
    )


def plan_to_json(plan: Plan) -> dict:
    return {
        "mode": plan.mode,
        "wanted": [[frame.pts, frame.seconds, frame.requested_s] for frame in plan.wanted],
        "runs": [[run.start, list(run.targets)] for run in plan.runs],
    }


def plan_from_json(value: dict) -> Plan:
    return Plan(
        value["mode"],
        tuple(Wanted(*frame) for frame in value["wanted"]),
        tuple(Run(start, tuple(targets)) for start, targets in value["runs"]),
    )


VERBS = {"probe": probe_file, "extract": extract_stills}
