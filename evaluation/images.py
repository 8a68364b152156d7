"""First frames from image files, decoded as training decodes them."""

from pathlib import Path

import numpy as np

from media.pictures import upright_size


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
    data = path.read_bytes()
    try:
        return upright_size(data)[::-1]
    except ValueError:  # another format, or nothing that can be read
        return read_image(data).shape[:2]
