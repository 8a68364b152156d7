"""What becomes of frames that are not made for a progressive SDR screen."""

from dataclasses import dataclass

INTERLACED = ("deinterlace", "reject", "keep")
HDR = ("tone_map", "reject", "keep")


@dataclass(frozen=True)
class Treatment:
    """`interlaced`: one of INTERLACED, `hdr`: one of HDR. "reject": the frame fails with the reason `interlaced` or
    `hdr`; "keep": it stays combed, or flat. Raises ValueError for another word."""

    interlaced: str = "deinterlace"
    hdr: str = "tone_map"

    def __post_init__(self):
        for name, known in (("interlaced", INTERLACED), ("hdr", HDR)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} {getattr(self, name)!r}: one of {', '.join(known)} is expected")
