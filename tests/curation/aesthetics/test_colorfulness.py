"""Metric M3 of Hasler and Suesstrunk, against cases that can be worked out by hand."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from curation.aesthetics.colorfulness import Colorfulness, colorfulness

RED, GREEN, BLUE = (0, 0, 255), (0, 255, 0), (255, 0, 0)  # in OpenCV's order


def flat(colour) -> np.ndarray:
    return np.full((8, 8, 3), colour, np.uint8)


def test_grey_has_no_colour():
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    assert colorfulness(grey) == 0


@pytest.mark.parametrize(
    ("colour", "rg", "yb"), [(RED, 255, 127.5), (GREEN, -255, 127.5), (BLUE, 0, -255), ((0, 255, 255), 0, 255)]
)
def test_one_flat_colour_has_only_the_mean_term(colour, rg, yb):
    assert colorfulness(flat(colour)) == pytest.approx(0.3 * math.hypot(rg, yb))


def test_two_halves_that_cancel_have_only_the_deviation_term():
    # Half pure red and half cyan: rg and yb are +a and -a, so both means are 0 and the deviations are a.
    picture = np.concatenate([flat(RED), flat((255, 255, 0))])
    assert colorfulness(picture) == pytest.approx(math.sqrt(255**2 + 127.5**2))


@given(arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(3))))
def test_it_equals_the_published_equation(picture):
    blue, green, red = (picture[..., i].astype(np.float64) for i in range(3))
    rg, yb = red - green, (red + green) / 2 - blue
    published = np.sqrt(rg.var() + yb.var()) + 0.3 * np.sqrt(rg.mean() ** 2 + yb.mean() ** 2)
    assert colorfulness(picture) == pytest.approx(published, rel=1e-9, abs=1e-5)


def test_the_scorer_orders_pictures_and_marks_what_it_cannot_read(texture):
    vivid, dull = (
        texture(1),
        cv2.addWeighted(texture(1), 0.2, flat((128, 128, 128)).repeat(20, 1)[:1].repeat(90, 0), 0.8, 0),
    )
    encode = lambda picture: cv2.imencode(".jpg", picture)[1].tobytes()  # noqa: E731
    scores, embeddings = Colorfulness(workers=2).score([encode(dull), b"", b"junk", encode(vivid)])
    assert embeddings is None
    assert scores[0] < scores[3]
    assert np.isnan(scores[1:3]).all() and not np.isnan(scores[[0, 3]]).any()
