"""Media as the content of a chat message: the same layout for every backend that takes stills."""

import base64
import contextlib
import io
from collections.abc import Sequence
from typing import Any

from models.vlm.protocol import Image, Media, Video

SIGNATURES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}

# What a file must have somewhere for its pixels to be transparent or turned; most have none of it, and are not opened.
PNG_ALPHA = (b"\x04", b"\x06")  # the colour type, at byte 25: grey or RGB with alpha
PNG_MARKS = (b"tRNS", b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")
JPEG_MARKS = (b"Exif\0\0", b"tiff:Orientation")
ORIENTATION = 0x0112  # EXIF


def mime_type(data: bytes) -> str:
    """image/jpeg or image/png, from the first bytes. Raises ValueError for anything else."""
    for signature, name in SIGNATURES.items():
        if data.startswith(signature):
            return name
    raise ValueError(f"an image of {len(data)} bytes starts with {data[:8]!r}: give a JPEG or PNG")


def data_url(data: bytes) -> str:
    """The image within a URL, so that no server has to read a file or fetch anything. It is `plain`."""
    data = plain(data)
    return f"data:{mime_type(data)};base64,{base64.b64encode(data).decode('ascii')}"


def plain(data: bytes) -> bytes:
    """The same picture as a file that all readers read alike.

    Servers and libraries differ in what they make of transparency and of an orientation in the metadata: such a
    picture becomes an opaque, upright PNG of the pixels of `decode_rgb`. Every other file stays as it is.
    Raises ValueError for another format, or a broken file of that kind.
    """
    if mime_type(data) == "image/png":
        special = data[25:26] in PNG_ALPHA or any(mark in data for mark in PNG_MARKS)
    else:
        special = any(mark in data for mark in JPEG_MARKS)
    if not special or not _differs(data):
        return data
    buffer = io.BytesIO()
    decode_rgb(data).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def frame_label(index: int, time_s: float) -> str:
    """The line before a video's frame. The first is marked, because it is what a generated video was started from."""
    return f"Video frame at {time_s:.2f} s{' (first frame)' if index == 0 else ''}:"


def content_parts(text: str, media: Sequence[Media]) -> list[dict[str, Any]]:
    """The content of a user message in the chat completions protocol: media in their order, then the text.

    A video is its frames, each after a line with its time: servers differ in whether and how they take video files.
    """
    parts: list[dict[str, Any]] = []
    for medium in media:
        match medium:
            case Image(data=data):
                parts.append({"type": "image_url", "image_url": {"url": data_url(data)}})
            case Video(frames=frames, times_s=times_s):
                for index, (data, time_s) in enumerate(zip(frames, times_s, strict=True)):
                    parts.append({"type": "text", "text": frame_label(index, time_s)})
                    parts.append({"type": "image_url", "image_url": {"url": data_url(data)}})
    return [*parts, {"type": "text", "text": text}]


def decode_rgb(data: bytes):
    """The encoded JPEG or PNG as a PIL image in RGB, upright by its EXIF orientation, and on white where transparent.

    Raises ValueError for another format or a broken file.
    """
    import PIL.Image
    import PIL.ImageOps

    with _opened(data) as image:
        upright = PIL.ImageOps.exif_transpose(image)
        if not upright.has_transparency_data:
            return upright.convert("RGB")
        layer = upright.convert("RGBA")
        return PIL.Image.alpha_composite(PIL.Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def _differs(data: bytes) -> bool:
    """Whether readers may differ about a picture: it is transparent, or its metadata turn it."""
    with _opened(data) as image:
        return image.has_transparency_data or image.getexif().get(ORIENTATION, 1) != 1


@contextlib.contextmanager
def _opened(data: bytes):
    """The PIL image, its errors and those of what is done with it as ValueErrors that tell of an image."""
    import PIL.Image

    mime_type(data)
    try:
        with PIL.Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            yield image
    except (OSError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise ValueError(f"an image of {len(data)} bytes does not decode: {error}") from error
