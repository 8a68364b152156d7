"""Small real JPEGs and the rows that name them."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="session")
def texture():
    """texture(seed, height, width, sigma) -> uint8 [H, W, 3]: smoothed noise, about as rough as a photograph."""

    def make(seed: int, height: int = 90, width: int = 160, sigma: float = 2.0) -> np.ndarray:
        noise = np.random.default_rng(seed).normal(size=(height, width, 3)).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), sigma)
        return np.clip(128 + 50 * smooth / smooth.std(), 0, 255).astype(np.uint8)

    return make


@pytest.fixture
def frame_row(tmp_path: Path):
    """frame_row(frame_id, pixels or bytes) writes the JPEG below tmp_path and returns its kept row of FRAMES."""

    def make(frame_id: str, image: np.ndarray | bytes) -> dict:
        if isinstance(image, np.ndarray):
            image = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        path = tmp_path / f"{frame_id}.jpg"
        path.write_bytes(image)
        return {
            "frame_id": frame_id, "clip_id": frame_id.split("_")[0], "seconds": 0.0, "image": path.name,
            "image_sha256": hashlib.sha256(image).hexdigest(), "width": 160, "height": 90, "requested_s": 0.0, "pts": 0,
            "mode": "exact", "status": "kept", "reason": "", "detail": "",
        }  # fmt: skip

    return make
