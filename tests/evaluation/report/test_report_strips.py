"""Strips of six frames: made with the videos, used by the page, made again from files that came without."""

import io

import numpy as np
import pytest
from PIL import Image

from evaluation.records import VideoRecord
from evaluation.report import footage
from evaluation.report.footage import place_all
from evaluation.strips import keep_strip, strip_of, strip_path
from evaluation.videos import write_video
from storage.files import sha256_file


def film(shape: tuple[int, int, int]) -> np.ndarray:
    """A bright bar that moves from left to right, uint8 [T, H, W, 3]."""
    frames = np.full((*shape, 3), 60, np.uint8)
    for at, frame in enumerate(frames):
        first = at * shape[2] // len(frames)
        frame[:, first : first + max(2, shape[2] // 8)] = (220, 180, 40)
    return frames


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


@pytest.mark.parametrize(
    ("shape", "side"),
    [((8, 32, 32), (128, 128)), ((3, 32, 48), (128, 192)), ((9, 320, 512), (120, 192)), ((2, 100, 100), (128, 128))],
)
def test_a_strip_made_with_the_video_is_the_one_its_file_gives(tmp_path, shape, side):
    frames = film(shape)
    write_video(tmp_path / "v.mp4", frames, 8.0)
    keep_strip(tmp_path, "ab" * 32, frames)
    kept, decoded = pixels(strip_path(tmp_path, "ab" * 32).read_bytes()), pixels(strip_of(tmp_path / "v.mp4"))
    assert kept.shape == (side[0], 6 * side[1], 3)
    assert kept.shape == decoded.shape
    assert abs(kept - decoded).mean() < 6


def test_the_page_takes_the_strip_that_is_there_and_decodes_what_has_none(tmp_path, monkeypatch):
    asked, real = [], strip_of
    monkeypatch.setattr(footage, "strip_of", lambda path: asked.append(path.stem) or real(path))
    videos = []
    for number in range(2):
        frames = film((4 + number, 32, 32))
        (tmp_path / "run").mkdir(exist_ok=True)
        write_video(tmp_path / "run" / f"{number}.mp4", frames, 8.0)
        digest = sha256_file(tmp_path / "run" / f"{number}.mp4")
        videos.append(VideoRecord(f"v{number}", "s", 0, f"{number}.mp4", "t", "f" * 64, sha256=digest, frames=4))
        if number == 0:
            keep_strip(tmp_path / "run", digest, frames)
    found = place_all([(tmp_path / "run", one) for one in videos], tmp_path / "page")
    assert [one.strip for one in found] == [True, True] and asked == [videos[1].sha256]
    first = tmp_path / "page" / "videos" / videos[0].sha256[:2] / f"{videos[0].sha256}.jpg"
    assert first.read_bytes() == strip_path(tmp_path / "run", videos[0].sha256).read_bytes()
