"""What pictures share: letters of a font that is always there, files of few bytes, and their place in Markdown."""

import base64
import io
from functools import cache
from pathlib import Path

import numpy as np


def plain(text: str, limit: int = 60) -> str:
    """`text` on one line, at most `limit` characters, with a box for every character that the font cannot draw."""
    drawable = _characters()
    shown = "".join(c if c.isprintable() and ord(c) in drawable else "\u25a1" for c in str(text)[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "\u2026"


@cache
def font(size_px: int):
    """The font that `plain` knows, for PIL."""
    from PIL import ImageFont

    return ImageFont.truetype(str(_font_file()), size_px, layout_engine=ImageFont.Layout.BASIC)


def jpeg_below(image, limit: int) -> bytes:
    """A PIL image -> JPEG of less than `limit` bytes: the quality, then the size, is lowered until it fits.

    Below 256 pixels it is as small as it gets.
    """
    while True:
        for quality in (85, 70, 55, 40):
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=quality, optimize=True)
            if buffer.tell() < limit or image.width * image.height < 256:
                return buffer.getvalue()
        image = image.resize((max(1, image.width * 3 // 4), max(1, image.height * 3 // 4)))


def png(picture: np.ndarray) -> bytes:
    """uint8 [H, W, 3] RGB -> PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def inline(name: str, data: bytes) -> str:
    """A PNG or JPEG as Markdown that holds it."""
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return f"![{name}](data:image/{kind};base64,{base64.b64encode(data).decode()})"


@cache
def _font_file() -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


@cache
def _characters() -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(_font_file())).get_charmap())
