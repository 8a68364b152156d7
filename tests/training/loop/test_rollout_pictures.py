"""Pictures of a run hold every video in its place, any text, and few enough bytes for a page."""

import base64
import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pages.pictures import font, inline, jpeg_below, png
from training.loop.pictures import MAX_BYTES, TEXT_PX, curves_png, rollout_grid, wrapped


def moving(count: int, size: tuple[int, int] = (32, 32), frames: int = 8) -> np.ndarray:
    """Videos of one grey level each, whose first frame is black and last white."""
    videos = np.zeros((count, frames, *size, 3), np.uint8)
    for number in range(count):
        videos[number] += 10 + number
    videos[:, 0], videos[:, -1] = 0, 255
    return videos


def test_a_grid_has_every_video_in_its_place():
    columns = ["base under T", "Demonstrator", "Executor"]
    grid = rollout_grid(moving(6), ["[Disc]: go.", "[Ring]: stay."], columns)
    found = {int(v): np.argwhere((grid == v).all(-1)) for v in range(10, 16)}
    centres = [found[10 + i].mean(0) for i in range(6)]
    for row in (0, 1):
        same_row = [centres[row * 3 + column] for column in range(3)]
        assert len({round(y) for y, _ in same_row}) == 1 and same_row[0][1] < same_row[1][1] < same_row[2][1]
    assert centres[0][0] < centres[3][0]
    assert all(len(places) == 2 * 96 * 96 for places in found.values()), (
        "two of the four frames shown, three times larger"
    )


@pytest.mark.parametrize(
    ("size", "frames"), [((32, 32), 1), ((16, 48), 3), ((480, 832), 5), ((97, 10), 2), ((1, 1), 8)]
)
def test_videos_of_any_size_give_a_picture_of_moderate_size(size, frames):
    grid = rollout_grid(moving(2, size, frames), ["a"], ["b", "c"])
    assert grid.dtype == np.uint8 and 90 <= grid.shape[0] <= 240 and grid.shape[1] < 2000


def test_a_grid_says_what_does_not_fit():
    with pytest.raises(ValueError, match=r"\[5, 8, 32, 32, 3\] for 2 tasks x 3 columns"):
        rollout_grid(moving(5), ["a", "b"], ["x", "y", "z"])
    with pytest.raises(ValueError, match="float32"):
        rollout_grid(moving(1).astype(np.float32), ["a"], ["b"])


@given(st.text(max_size=300), st.integers(20, 400), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_any_text_fits_its_lines(text: str, width: int, count: int):
    letters, out = font(TEXT_PX), wrapped(text, width, count)
    assert len(out) <= count
    assert all(letters.getlength(line) <= width or len(line) <= 1 for line in out)
    assert all(line.isprintable() for line in out)


def test_a_text_that_fits_is_shown_whole_and_a_longer_one_ends_in_an_ellipsis():
    assert wrapped("[Disc]: go to the ring.", 400, 1) == ["[Disc]: go to the ring."]
    assert " ".join(wrapped("one two three four", 60, 4)) == "one two three four"
    assert wrapped("word " * 100, 100, 2)[-1].endswith("\u2026")


@pytest.mark.slow
def test_pictures_are_the_same_bytes_and_small_enough_for_a_page():
    rng = np.random.default_rng(0)
    series = {f"m{i}/$_x^$": [(step, float(rng.normal())) for step in range(500)] for i in range(20)}
    series |= {"constant": [(1, 2.0)], "failed": [(1, math.nan)], "<b>": [(1, 1.0), (2, math.inf)]}
    first = curves_png(series, ("constant", "not there"))
    assert first == curves_png(series, ("constant", "not there")) and len(first) < MAX_BYTES
    assert Image.open(io.BytesIO(first)).width == 720
    assert curves_png({})
    noise = rng.integers(0, 256, (600, 900, 3), dtype=np.uint8)
    assert len(jpeg_below(Image.fromarray(noise), MAX_BYTES)) < MAX_BYTES
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(noise)))), noise)
    text = inline("it", png(noise[:9, :9]))
    assert base64.b64decode(text.split("base64,")[1][:-1]) == png(noise[:9, :9])
