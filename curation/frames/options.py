"""Settings of the stage `frames`: which frames are taken, and how they are written."""

from pydantic import Field

from curation.options import Options


class FramesOptions(Options):
    """Which frames are taken and how they are written."""

    incidental = ("timeout_s", "workers")

    count: int = Field(
        8, ge=1, le=10_000, description="frames a clip, at the middles of as many equal parts of its span"
    )
    every_s: float | None = Field(None, gt=0, description="instead of count: one frame every so many seconds, from 0")
    mode: str = Field(
        "auto", pattern="^(auto|keyframe|exact)$", description="auto: keyframe for long clips, else exact"
    )
    long_clip_s: float = Field(30.0, ge=0, description="seconds from which auto snaps to keyframes")
    max_side_px: int = Field(
        1280, ge=16, le=16384, description="longer sides are scaled down to this; none is scaled up"
    )
    jpeg_quality: int = Field(95, ge=1, le=100, description="JPEG quality, 4:2:0")
    timeout_s: float = Field(60.0, gt=0, description="seconds after which a clip is given up")
    workers: int = Field(2, ge=1, le=256, description="Files decoded at once, one thread each.")
