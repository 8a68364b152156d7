"""Pictures that others may have made: opened within a bound of pixels, and read alike by everything that takes them.

Servers and libraries differ in what they make of transparency and of an orientation in the metadata. Here such a
picture is upright, and on white.
"""

import contextlib
import io
import struct
from collections.abc import Iterator
from pathlib import Path

# As many as of a video's frame (media/container.py): an 8K square. A picture of this size takes half a gigabyte and a
# second, and no model here looks at a hundredth of it.
MAX_PIXELS = 8192 * 8192
JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
SIGNATURES = {JPEG: "image/jpeg", PNG: "image/png"}

# What a file must have somewhere for its pixels to be transparent or turned; most have none of it, and are not opened.
PNG_ALPHA = (b"\x04", b"\x06")  # the colour type, at byte 25: grey or RGB with alpha
PNG_MARKS = (b"tRNS", b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")
JPEG_MARKS = (b"Exif\0\0", b"tiff:Orientation")
ORIENTATION = 0x0112  # EXIF
TURNS = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE"}
TURNS |= {6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90"}
BAND = 256  # rows that are put on white at a time: whole pictures would be in memory four times
# JPEG's frame headers, which say the size: SOF0 to SOF15 without DHT, JPG and DAC. Markers without a length.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
ALONE = frozenset(range(0xD0, 0xD9)) | {0x01}


class PictureTooLarge(ValueError):
    """A picture of more pixels than are decoded; the message says how many there are and how many may be."""


def mime_type(data: bytes) -> str:
    """image/jpeg or image/png, from the first bytes. Raises ValueError for anything else."""
    for signature, name in SIGNATURES.items():
        if data.startswith(signature):
            return name
    raise ValueError(f"an image of {len(data)} bytes starts with {data[:8]!r}: give a JPEG or PNG")


def check_size(data: bytes) -> None:
    """Raises PictureTooLarge for a picture of more than MAX_PIXELS, before anything is decoded.

    Of a file that is no picture nothing is said: its decoder does that.
    """
    size = _stated(data) or _size_by_pillow(data)
    if size is not None:
        _check(*size)


@contextlib.contextmanager
def opened(source: bytes | Path) -> Iterator:
    """The PIL image of a JPEG or PNG, from its bytes or its file.

    Its errors and those of what is done with it are ValueErrors that tell of an image, PictureTooLarge among them.
    Raises OSError for a file that is not there.
    """
    import PIL.Image

    data = source if isinstance(source, bytes) else source.read_bytes()
    mime_type(data)
    check_size(data)
    try:
        with PIL.Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            yield image
    except (OSError, SyntaxError, struct.error, AssertionError, PIL.Image.DecompressionBombError) as error:
        # struct.error: cut EXIF. AssertionError: a palette is missing.
        named = f"an image of {len(data)} bytes" if isinstance(source, bytes) else str(source)
        raise ValueError(f"{named} does not decode: {str(error) or type(error).__name__}") from error


def upright(image):
    """The PIL image as its metadata turn it. Pillow's own writes them anew too, and fails on odd ones."""
    import PIL.Image

    name = TURNS.get(image.getexif().get(ORIENTATION))
    return image.transpose(PIL.Image.Transpose[name]) if name else image


def plain(data: bytes) -> bytes:
    """The same picture as a file that all readers read alike.

    A transparent or turned one becomes an opaque, upright PNG of the pixels of `decode_rgb`. Every other file stays as
    it is, whatever its size. Raises ValueError for another format, and where such a one is too large or broken.
    """
    if not _special(data) or not _differs(data):
        return data
    buffer = io.BytesIO()
    decode_rgb(data).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def decode_rgb(data: bytes):
    """The encoded JPEG or PNG as a PIL image in RGB, upright by its EXIF orientation, and on white where transparent.

    Raises ValueError for another format, a picture that is too large, or a broken file.
    """
    import PIL.Image

    with opened(data) as image:
        turned = upright(image)
        if not turned.has_transparency_data:
            return turned.convert("RGB")
        layer = turned.convert("RGBA")
        whole = PIL.Image.new("RGB", layer.size)
        for top in range(0, layer.height, BAND):
            band = layer.crop((0, top, layer.width, min(top + BAND, layer.height)))
            white = PIL.Image.new("RGBA", band.size, "white")
            whole.paste(PIL.Image.alpha_composite(white, band).convert("RGB"), (0, top))
        return whole


def upright_size(data: bytes) -> tuple[int, int]:
    """(width, height) of the picture of `decode_rgb`, from what its file states; pixels may be damaged all the same.

    Raises ValueError for another format, a picture that is too large, or a broken file.
    """
    with opened(data) as image:
        turned = _special(data) and image.getexif().get(ORIENTATION) in range(5, 9)  # width and height change places
        return image.size[::-1] if turned else image.size


def _special(data: bytes) -> bool:
    """Whether a JPEG or PNG has something that may make its pixels transparent or turned; it need not be opened."""
    if mime_type(data) == "image/png":
        return data[25:26] in PNG_ALPHA or any(mark in data for mark in PNG_MARKS)
    return any(mark in data for mark in JPEG_MARKS)


def _differs(data: bytes) -> bool:
    """Whether readers may differ about a picture: it is transparent, or its metadata turn it."""
    with opened(data) as image:
        return image.has_transparency_data or image.getexif().get(ORIENTATION, 1) != 1


def _check(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PictureTooLarge(
            f"a picture of {width} x {height} pixels: at most {MAX_PIXELS} (8192 x 8192) are decoded, make it smaller"
        )


def _stated(data: bytes) -> tuple[int, int] | None:
    """Width and height that the header of a JPEG or PNG states; None where it states none."""
    if data.startswith(PNG):
        return struct.unpack(">II", data[16:24]) if len(data) >= 24 else None
    if not data.startswith(JPEG):
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in FRAMES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        if marker == 0xFF:  # a byte of filling
            at += 1
        else:
            at += 2 if marker in ALONE else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _size_by_pillow(data: bytes) -> tuple[int, int] | None:
    """Of other formats that a decoder may take, and of JPEGs that are not as they should be."""
    import warnings

    import PIL.Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
        try:
            with PIL.Image.open(io.BytesIO(data)) as image:
                return image.size
        except PIL.Image.DecompressionBombError:
            raise PictureTooLarge(f"a picture of far more than the {MAX_PIXELS} pixels that are decoded") from None
        except (OSError, SyntaxError, ValueError):
            return None
