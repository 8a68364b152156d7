"""First frames from image files, decoded as training decodes them."""

import numpy as np


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
