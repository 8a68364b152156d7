"""What a judge sees of a video: which frames, and as which files."""

import numpy as np


def frame_indices(total: int, wanted: int) -> tuple[int, ...]:
    """`wanted` evenly spaced indices of `total` frames, the first and the last among them; all when there are fewer."""
    if total <= wanted:
        return tuple(range(total))
    return tuple(round(i * (total - 1) / (wanted - 1)) for i in range(wanted))


def encoded(frames: np.ndarray, image_format: str) -> tuple[bytes, ...]:
    """Frames uint8 [F, H, W, 3] RGB as PNG or JPEG files; the same pixels give the same bytes."""
    import cv2

    if image_format == "png":
        suffix, settings = ".png", [cv2.IMWRITE_PNG_COMPRESSION, 1]
    else:
        suffix, settings = ".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95]
    files = []
    for frame in frames:
        written, data = cv2.imencode(suffix, np.ascontiguousarray(frame[:, :, ::-1]), settings)
        if not written:
            raise ValueError(f"a frame of shape {frame.shape} cannot be written as {image_format}")
        files.append(data.tobytes())
    return tuple(files)
