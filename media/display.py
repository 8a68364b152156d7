"""From a decoded frame to the picture a viewer would see: 8 bits, upright, square pixels, no larger than asked."""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from media.tone_map import is_hdr, tone_mapped

# A pixel aspect beyond 8:1 is a damaged header, not a picture, and is ignored.
MAX_PIXEL_ASPECT = 8

Order = Literal["bgr", "rgb"]  # of channels: OpenCV's, or everybody else's

UNSPECIFIED_MATRICES = (2, 3)  # AVCOL_SPC_UNSPECIFIED, AVCOL_SPC_RESERVED


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways a stored picture can be turned: transpose first, then flip. Other angles snap to these."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise that bring the stored picture upright (a mirrored picture:

        those before mirroring).
        """
        if self.transpose:
            return 90 if self.flip_y else 270
        return 180 if self.flip_x else 0

    def apply(self, picture: np.ndarray) -> np.ndarray:
        """uint8 [h, w, 3] -> the upright uint8 picture, contiguous."""
        if self.transpose:
            picture = picture.transpose(1, 0, 2)
        if self.flip_x:
            picture = picture[:, ::-1]
        if self.flip_y:
            picture = picture[::-1]
        return np.ascontiguousarray(picture)


def orientation(frame: VideoFrame) -> Orientation:
    """How the frame's display matrix (container or bitstream) turns it."""
    matrix = frame.side_data.get(Type.DISPLAYMATRIX)
    if matrix is None or len(bytes(matrix)) < 36:
        return Orientation()
    # Row vectors, y down: x' = a x + c y, y' = b x + d y (ISO/IEC 14496-12, 8.3.2.3).
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, a < 0, d < 0)
    return Orientation(True, c < 0, b < 0)


def display_size(
    width: int, height: int, pixel_aspect: Fraction | None, turn: Orientation, max_side_px: int | None = None
) -> tuple[int, int]:
    """Width and height as displayed: pixel aspect (width over height of a pixel) applied to the width, then turned.

    Scaled down, never up, until the long side is at most `max_side_px`.
    """
    w, h = stored_size(width, height, pixel_aspect, max_side_px)
    return (h, w) if turn.transpose else (w, h)


@lru_cache(maxsize=64)  # it is asked for every frame
def stored_size(
    width: int, height: int, pixel_aspect: Fraction | None, max_side_px: int | None = None
) -> tuple[int, int]:
    """As display_size, before turning."""
    if not pixel_aspect or not Fraction(1, MAX_PIXEL_ASPECT) <= pixel_aspect <= MAX_PIXEL_ASPECT:
        pixel_aspect = Fraction(1)
    square = width * pixel_aspect
    scale = Fraction(1)
    if max_side_px is not None:
        scale = min(scale, Fraction(max_side_px) / max(square, height))
    return rounded(square * scale), rounded(height * scale)


def rounded(size: Fraction) -> int:
    return max(1, math.floor(size + Fraction(1, 2)))


class Painter:
    """Turns frames into arrays; one object per stream, because it keeps swscale's tables between frames."""

    def __init__(self, max_side_px: int | None = 1280, tone_map: bool = True, order: Order = "bgr"):
        self.max_side_px = max_side_px
        self.order = order
        self.tone_map = tone_map  # else HDR frames keep their transfer curve and look flat
        self._reformatter = VideoReformatter()

    def paint(self, frame: VideoFrame, pixel_aspect: Fraction | None) -> np.ndarray:
        """The frame as a contiguous uint8 [height, width, 3] array, its channels in this painter's order."""
        hdr = self.tone_map and is_hdr(frame)
        width, height = stored_size(frame.width, frame.height, pixel_aspect, self.max_side_px)
        scaled = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgb48le" if hdr else f"{self.order}24",
            src_colorspace=assumed_matrix(frame),
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.BICUBIC,  # of chroma, even where the size stays
            threads=1,
        )
        picture = scaled.to_ndarray()
        if hdr:
            picture = tone_mapped(picture, int(frame.color_trc), int(frame.color_primaries))
            picture = picture[..., ::-1] if self.order == "bgr" else picture
        return orientation(frame).apply(picture)


def assumed_matrix(frame: VideoFrame) -> int | None:
    """The colour matrix to assume:

    None (as tagged), or for untagged YUV what players assume, BT.2020 for HDR, BT.709 for HD, else BT.601.
    """
    if frame.colorspace not in UNSPECIFIED_MATRICES or frame.format.is_rgb:
        return None
    if is_hdr(frame):
        return Colorspace.BT2020
    return Colorspace.ITU709 if frame.width >= 1280 or frame.height > 576 else Colorspace.ITU601
