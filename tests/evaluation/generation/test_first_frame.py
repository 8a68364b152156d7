"""SSIM of the first frame: the published formula, and what a run's manifest and page say."""

import numpy as np
import pytest

from evaluation.generation.first_frame import ssim
from evaluation.generation.generate_runs import generate
from evaluation.images import read_image
from evaluation.videos import read_frames
from tests.evaluation.generation.left import manifest

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (24, 30, 3), np.uint8)


def by_hand(first, second):
    """Window by window, from the definition."""
    weights = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights = np.outer(weights, weights) / weights.sum() ** 2
    x, y = (one.astype(float) @ np.array([0.2126, 0.7152, 0.0722]) for one in (first, second))
    found = []
    for top in range(x.shape[0] - 10):
        for left in range(x.shape[1] - 10):
            a, b = x[top : top + 11, left : left + 11], y[top : top + 11, left : left + 11]
            ma, mb = (weights * a).sum(), (weights * b).sum()
            va, vb = (weights * (a - ma) ** 2).sum(), (weights * (b - mb) ** 2).sum()
            cov = (weights * (a - ma) * (b - mb)).sum()
            c1, c2 = 2.55**2, 7.65**2
            found.append((2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    return np.mean(found)


@pytest.mark.parametrize(
    "other",
    [PICTURE, 255 - PICTURE, np.roll(PICTURE, 1, 1), PICTURE // 2, RNG.integers(0, 256, (24, 30, 3), np.uint8)],
    ids=["equal", "inverted", "shifted", "darker", "another"],
)
def test_it_is_the_published_formula(other):
    assert ssim(PICTURE, other) == pytest.approx(by_hand(PICTURE, other), abs=1e-9)
    assert (ssim(PICTURE, other) == pytest.approx(1)) == (other is PICTURE)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        ssim(PICTURE, PICTURE[1:])
    with pytest.raises(ValueError, match="at least 11"):
        ssim(PICTURE[:10], PICTURE[:10])


def test_a_runs_manifest_says_how_first_frames_keep_the_given_picture(bench, tmp_path, quiet):
    generate(bench.options(tmp_path / "run"), quiet)
    for number, record in enumerate(manifest(tmp_path / "run")):
        given = read_image((bench.folder / "bench" / "images" / f"{number}_1.png").read_bytes())
        shown = read_frames(tmp_path / "run" / record.path, record.frames)[0]
        assert record.first_frame_ssim == pytest.approx(ssim(given, shown), abs=0.02)
        assert record.first_frame_ssim < 0.9  # random weights keep nothing
