"""Small pictures: below their limit, the same bytes every time, and hostile labels are drawn as text."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from curation.drawing import MAX_BYTES, bars_png, contact_sheet_jpeg, histogram_png
from pages.pictures import plain

RNG = np.random.default_rng(0)
HOSTILE = [
    "<script>alert(1)</script>",
    r"$\frac$",
    "$x",
    "a\nb\x1b[31m\x00",
    "\u202eright to left",
    "日本語",
    "x" * 5000,
    "",
]


def opened(data: bytes) -> Image.Image:
    assert len(data) < MAX_BYTES
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def ink(image: Image.Image) -> int:
    """How many pixels are not paper."""
    return int((np.asarray(image.convert("L")) < 250).sum())


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """40 noisy JPEGs, landscape and portrait: the hardest to compress."""
    folder = tmp_path_factory.mktemp("photographs")
    for i in range(40):
        size = (180, 320, 3) if i % 3 else (320, 180, 3)
        Image.fromarray(RNG.integers(0, 256, size, np.uint8)).save(folder / f"{i:02}.jpg", quality=90)
    return sorted(folder.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("values", "thresholds"),
    [
        (RNG.normal(100, 30, 5000), [20, 235]),
        (np.exp(RNG.normal(5, 2, 5000)), [12.0]),
        ([0.0, 0.0, 1e-3, 1e6], [12.0]),
        ([0.0, 5.0, 5e4], [0.0]),
        ([1.0, 1.0], [1.0]),
        ([3.0], []),
        ([float("nan"), float("inf"), 2.0], [float("nan")]),
        (RNG.random(100), RNG.random(64)),
        ([], [12.0]),
    ],
)
def test_any_values_make_a_small_histogram_and_the_same_one_twice(values, thresholds):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = histogram_png(values, thresholds, "Variance of the Laplacian", "luma squared")
    assert opened(data).size == (560, 260)
    assert data == histogram_png(values, thresholds, "Variance of the Laplacian", "luma squared")


def test_a_threshold_is_drawn_as_a_red_line():
    def reds(thresholds):
        rgb = np.asarray(opened(histogram_png([1.0, 2.0, 3.0], thresholds, "t", "u")).convert("RGB")).astype(int)
        return ((rgb[..., 0] > 180) & (rgb[..., 2] < 110)).sum()

    assert reds([]) == 0
    assert reds([2.0]) > 100


@pytest.mark.parametrize("count", [0, 1, 5, 300])
def test_bars_of_any_number_make_a_small_picture(count):
    names, counts = [f"reason_{i}" for i in range(count)], list(range(count, 0, -1))
    data = bars_png(names, counts, "Reasons")
    assert opened(data).width == 560
    assert data == bars_png(names, counts, "Reasons")


def test_counts_of_zero_make_no_division_by_zero():
    opened(bars_png(["kept", "dropped"], [0, 0], "Nothing yet"))


def test_labels_and_counts_must_match():
    with pytest.raises(ValueError, match="2 labels with 1 counts"):
        bars_png(["a", "b"], [1], "t")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_titles_and_labels_are_drawn_as_text(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a glyph it lacks
        opened(histogram_png([1.0, 2.0], [1.5], text, text))
        drawn = opened(bars_png([text], [3], text))
    assert ink(drawn) > 100


def test_a_dollar_sign_is_a_dollar_sign():
    # As mathematics, both titles would look alike.
    assert bars_png(["a"], [1], "$x$") != bars_png(["a"], [1], "x")


def test_plain_text_is_one_line_of_drawable_characters():
    assert plain("a\nb\x1b\u202e日") == "a□b□□□"
    assert plain("Größe é Ж") == "Größe é Ж"
    assert plain("x" * 5000, 10) == "x" * 9 + "…"
    assert plain("x" * 10, 10) == "x" * 10


def test_a_contact_sheet_has_a_tile_for_every_picture(photographs):
    sheet = opened(contact_sheet_jpeg(photographs[:5], 3, 60))
    assert sheet.width == 3 * 64 + 4
    assert sheet.height == 2 * 64 + 4  # each row holds a portrait picture
    assert contact_sheet_jpeg(photographs[:5], 3, 60) == contact_sheet_jpeg(photographs[:5], 3, 60)


def test_a_sheet_too_large_for_its_limit_is_made_coarser(photographs):
    sheet = opened(contact_sheet_jpeg(photographs, 8, 200))
    assert sheet.width <= 8 * 204 + 4


def test_absent_and_broken_files_get_an_empty_tile(photographs, tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "short.jpg").write_bytes(photographs[0].read_bytes()[:2000])
    images = [photographs[1], tmp_path / "absent.jpg", tmp_path / "text.jpg", tmp_path / "short.jpg", tmp_path]
    assert opened(contact_sheet_jpeg(images, 5, 60)).width == 5 * 64 + 4


def test_captions_are_drawn_below_their_tile(photographs):
    bare, captioned = (opened(contact_sheet_jpeg(photographs[:8], 4, 60, captions)) for captions in (None, HOSTILE))
    assert captioned.height == bare.height + 2 * 14
    assert ink(captioned) > ink(bare)


@pytest.mark.parametrize(("images", "columns", "tile"), [(0, 3, 60), (2, 0, 60), (2, 2, 0)])
def test_an_impossible_sheet_is_refused(photographs, images, columns, tile):
    with pytest.raises(ValueError, match="give at least"):
        contact_sheet_jpeg(photographs[:images], columns, tile)


def test_captions_must_match_the_images(photographs):
    with pytest.raises(ValueError, match="1 captions for 2 images"):
        contact_sheet_jpeg(photographs[:2], 2, 60, ["a"])
