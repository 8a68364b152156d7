"""Transparent and turned pictures are the same picture over HTTP and in this process; others stay byte for byte."""

import base64
import io

import numpy as np
import PIL.Image
import pytest

from media.pictures import decode_rgb, plain
from models.vlm.chat_content import content_parts
from models.vlm.protocol import Image
from tests.models.vlm.conftest import encoded

RNG = np.random.default_rng(3)
RGB = RNG.integers(0, 255, (48, 64, 3), dtype=np.uint8)
RGBA = np.dstack([RGB, RNG.integers(0, 255, (48, 64), dtype=np.uint8)])


def written(pixels, kind="PNG", mode=None, turned=0, **more):
    picture = PIL.Image.fromarray(pixels)
    picture = picture.convert(mode) if mode else picture
    if turned:
        exif = PIL.Image.Exif()
        exif[0x0112] = turned
        more["exif"] = exif
    buffer = io.BytesIO()
    picture.save(buffer, kind, **more)
    return buffer.getvalue()


def sent(data):
    """What a server that knows nothing of transparency and turning sees."""
    url = content_parts("?", [Image(data)])[0]["image_url"]["url"]
    return np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB"))


SPECIAL = {
    "rgba": written(RGBA),
    "grey with alpha": written(RGBA, mode="LA"),
    "palette with a transparent colour": written(RGB, mode="P", transparency=3),
    "rgb with a transparent colour": written(RGB, transparency=tuple(map(int, RGB[0, 0]))),
    **{f"turned {n} {kind}": written(RGB, kind, turned=n) for n in range(2, 9) for kind in ("PNG", "JPEG")},
    "turned rgba": written(RGBA, turned=6),
}
ORDINARY = {
    "png": encoded(1),
    "jpeg": encoded(1, "JPEG"),
    "grey": written(RGB, mode="L"),
    "palette": written(RGB, mode="P"),
    "upright by its exif": written(RGB, "JPEG", turned=1),
}


@pytest.mark.parametrize("name", [*SPECIAL, *ORDINARY])
def test_http_and_this_process_see_the_same_pixels(name):
    data = (SPECIAL | ORDINARY)[name]
    assert np.array_equal(sent(data), np.asarray(decode_rgb(data)))


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_file_stays_as_it_is(name):
    assert plain(ORDINARY[name]) is ORDINARY[name]


def test_transparent_pixels_are_white_and_half_transparent_ones_half_white():
    pixels = np.zeros((1, 2, 4), np.uint8)
    pixels[0, 1, 3] = 128
    assert np.asarray(decode_rgb(written(pixels))).tolist() == [[[255] * 3, [127] * 3]]


def test_an_orientation_is_applied():
    assert np.array_equal(np.asarray(decode_rgb(written(RGB, turned=3))), RGB[::-1, ::-1])
    assert decode_rgb(written(RGB, "JPEG", turned=6)).size == (48, 64)
