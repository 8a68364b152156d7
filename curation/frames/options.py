"""Settings of the stage `frames`: which frames are taken, and how they are written."""

from typing import Literal

from pydantic import Field

from curation.options import Options
from media.treatment import HDR, INTERLACED


class FramesOptions(Options):
    """Which frames are taken and how they are written."""

    incidental = ("timeout_s", "workers")

    count: int = Field(
        8, ge=1, le=10_000, description="Frames of each clip: one in the middle of each of so many equal parts."
    )
    every_s: float | None = Field(None, gt=0, description="Instead of count: seconds between frames, from 0 on.")
    mode: str = Field(
        "auto", pattern="^(auto|keyframe|exact)$", description="auto: keyframe for long clips, exact for others."
    )
    long_clip_s: float = Field(30.0, ge=0, description="Seconds from which a clip is long for auto.")
    max_side_px: int = Field(
        1280, ge=16, le=16384, description="Longer sides are scaled down to this. Nothing is scaled up."
    )
    interlaced: Literal[INTERLACED] = Field(
        "deinterlace",
        description="Interlaced frames: deinterlace (bwdif), reject (reason `interlaced`) or keep (combed).",
    )
    hdr: Literal[HDR] = Field(
        "tone_map", description="HDR frames (PQ, HLG): tone_map, reject (reason `hdr`) or keep (flat)."
    )
    jpeg_quality: int = Field(95, ge=1, le=100, description="JPEG quality (4:2:0).")
    timeout_s: float = Field(60.0, gt=0, description="Seconds after which decoding a clip is given up.")
    workers: int = Field(2, ge=1, le=256, description="Files decoded at the same time, one thread each.")
