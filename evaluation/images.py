"""First frames from image files, decoded as training decodes them."""

from pathlib import Path

import numpy as np

from media.pictures import ORIENTATION


class UnreadableImage(ValueError):
    """Bytes that are no picture."""


def read_image(data: bytes) -> np.ndarray:
    """uint8 [H, W, 3] RGB of a JPEG or PNG. Raises UnreadableImage."""
    import cv2

    from microworld.vision import decode  # one decoder for all: other ones differ by a grey level

    try:
        return decode(data)
    except (ValueError, cv2.error) as error:
        raise UnreadableImage(str(error).strip().splitlines()[0]) from error


def picture_size(path: Path) -> tuple[int, int]:
    """(height, width) that `read_image` gives for a file, from its header alone where that is a JPEG's or a PNG's.

    The picture behind the header may be damaged all the same. Raises OSError, and UnreadableImage.
    """
    from PIL import Image

    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            (width, height), exif = image.size, Image.Exif()
            if "exif" in image.info:  # `getexif` would decode a PNG without it
                exif.load(image.info["exif"])
        turned = exif.get(ORIENTATION) in range(5, 9)  # height and width change places
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # what PIL raises for other files
        return read_image(path.read_bytes()).shape[:2]
    return (width, height) if turned else (height, width)
