"""Writes a plan's frames as JPEG files."""

from collections.abc import Mapping
from pathlib import Path

import cv2

from media.decode import decode_stills
from media.plan import Plan
from media.treatment import Treatment
from storage.files import confined, sha256_bytes, write_bytes


def write_stills(
    path: Path,
    plan: Plan,
    out: Path,
    images: Mapping[int, str],
    max_side_px: int,
    quality: int,
    treatment: Treatment = Treatment(),
    patience_s: float = float("inf"),
) -> list[dict]:
    """Decodes the planned frames of one file and writes each atomically to `images[pts]`, relative to `out`.

    Returns, in the plan's order, {pts, sha256, width, height} for a frame written and {pts, reason, detail} for one
    that could not be had. JPEG: baseline, 4:2:0, `quality` 1 to 100. `patience_s`: see decode_stills. Raises MediaError
    for the file and OSError when `out` cannot be written (a full disk is not the clip's fault).
    """
    results: dict[int, dict] = {}
    for still in decode_stills(path, plan, max_side_px, treatment=treatment, patience_s=patience_s):
        if still.picture is None:
            results[still.pts] = {"pts": still.pts, "reason": still.error.reason, "detail": still.error.detail}
            continue
        encoded, data = cv2.imencode(".jpg", still.picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not encoded:
            raise RuntimeError(f"JPEG encoder refused a picture of shape {still.picture.shape}")
        data = data.tobytes()
        write_bytes(confined(out, images[still.pts]), data)
        height, width = still.picture.shape[:2]
        results[still.pts] = {"pts": still.pts, "sha256": sha256_bytes(data), "width": width, "height": height}
    return [results[frame.pts] for frame in plan.wanted]
