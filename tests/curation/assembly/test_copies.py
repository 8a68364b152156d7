"""Altered copies are found, and different pictures are not taken for copies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.assembly.copies import CROPS, HASHES, PARTS, SHAPES, WAYS, apart, find_copies, hashes_of, without_bars
from tests.curation.altered import ALIKE, KINDS, cropped, jpeg, letterboxed, mirrored, scene

DISTANCE = 6
LEAST = {"crop 90 % at a corner": 0.85, "crop 90 % at an edge": 0.85, "crop 93 % off centre": 0.8}
LEAST |= {"crop 95 % with a logo": 0.75}


def recall(pictures, kind, seen) -> float:
    copies = [hashes_of(jpeg(KINDS[kind](luma))) for luma in pictures]
    return float(np.mean([apart(one, other[None])[0][0] <= DISTANCE for one, other in zip(copies, seen, strict=True)]))


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(5)
    pictures = [scene(rng) for _ in range(40)]
    return pictures, np.array([hashes_of(jpeg(luma)) for luma in pictures])


@pytest.mark.parametrize("kind", KINDS)
def test_altered_copies_of_drawn_scenes_are_found(drawn, kind):
    assert recall(drawn[0], kind, drawn[1]) >= LEAST.get(kind, 0.9)


def test_drawn_scenes_are_not_copies_of_each_other(drawn):
    bits = np.array([apart(one, drawn[1])[0] for one in drawn[1]])
    assert bits[~np.eye(len(bits), dtype=bool)].min() > DISTANCE


@pytest.mark.parametrize(("kind", "most"), [("night", 0.04), ("light over dark", 0.03), ("dark menus", 0.03)])
def test_scenes_that_look_alike_are_seldom_taken_for_copies(kind, most):
    rng = np.random.default_rng(0)
    hashes = np.array([hashes_of(jpeg(ALIKE[kind](rng))) for _ in range(24)])
    bits = np.array([apart(one, hashes)[0] for one in hashes])
    assert (bits[np.triu_indices(24, 1)] <= DISTANCE).mean() <= most


@pytest.fixture(scope="module")
def real(shared_data):
    """8 frames of each real clip, and which clip each is of."""
    import av

    folder = shared_data / "scene_clips"

    pictures, clips = [], []
    # Of the pairs, those of one model: both films of a pair start at the same picture.
    for path in [*sorted(folder.glob("wild/*.mp4")), *sorted(folder.glob("pairs/base/*.mp4"))]:
        with av.open(str(path)) as container:
            frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
        pictures += [frames[int((part + 0.5) * len(frames) / 8)] for part in range(8)]
        clips += [path.stem] * 8
    return pictures, np.array([hashes_of(jpeg(luma)) for luma in pictures]), clips


@pytest.mark.slow
def test_altered_copies_of_real_frames_are_found_and_other_clips_are_not(real):
    pictures, hashes, clips = real
    for kind in KINDS:
        assert recall(pictures, kind, hashes) >= LEAST.get(kind, 0.9), kind
    other = np.array([[one != two for two in clips] for one in clips])
    bits = np.array([apart(one, hashes)[0] for one in hashes])
    assert bits[other].min() > DISTANCE


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ("JPEG 60", "alike"),
        ("letterbox", "alike"),
        ("mirrored", "mirrored"),
        ("crop 85 %", "cropped"),
        ("mirrored crop 95 %", "cropped and mirrored"),
        ("logo", "alike but for a part"),
    ],
)
def test_the_way_is_named(drawn, kind, way):
    copies = [apart(hashes_of(jpeg(KINDS[kind](luma))), own[None]) for luma, own in zip(*drawn, strict=True)]
    named = [WAYS[ways[0]] for _, ways in copies]
    assert named.count(way) >= 0.6 * len(named)


def test_being_a_copy_goes_both_ways(drawn):
    one = drawn[1]
    other = np.array([hashes_of(cropped(luma, 0.9)) for luma in drawn[0]])
    there = np.array([apart(hashes, one)[0] for hashes in other])
    back = np.array([apart(hashes, other)[0] for hashes in one])
    assert (there == back.T).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.integers(64, 300), st.integers(64, 300))
def test_the_mirrors_hash_is_that_of_the_mirrored_picture(seed, height, width):
    """It is worked out from the picture's own spectrum: up to the bits that rounding to whole pixels moves."""
    luma = scene(np.random.default_rng(seed), height, width)
    one, two = hashes_of(luma), hashes_of(mirrored(luma))
    assert one.shape == (HASHES,) and one.dtype == np.uint64
    assert int(np.bitwise_count(one[1] ^ two[0])) <= 2 and int(np.bitwise_count(one[0] ^ two[1])) <= 2


def test_the_hashes_have_the_columns_they_are_said_to_have():
    assert len(hashes_of(np.zeros((9, 9), np.uint8))) == HASHES
    assert 2 * (1 + len(CROPS)) + len(PARTS) == SHAPES + len(PARTS) == HASHES
    assert all(0 <= a < c <= 1.001 and 0 <= b < d <= 1.001 for a, b, c, d in [*CROPS, *PARTS])


@pytest.mark.parametrize("share", [0.05, 0.125, 0.2, 0.3])
def test_bars_are_taken_off(share):
    luma = np.full((90, 160), 120, np.uint8)
    assert without_bars(letterboxed(luma, share)).shape == (90 - 2 * round(90 * share), 160)
    assert (
        without_bars(letterboxed(luma.T.copy(), share).T).shape
        == without_bars(letterboxed(luma.T.copy(), share)).T.shape
    )


@pytest.mark.parametrize(
    "luma",
    [
        np.zeros((90, 160), np.uint8),
        np.full((90, 160), 255, np.uint8),
        np.vstack([np.zeros((40, 160), np.uint8), np.full((50, 160), 99, np.uint8)]),  # a night sky
        np.full((1, 1), 7, np.uint8),
        np.full((2, 500), 0, np.uint8),
    ],
)
def test_pictures_without_bars_or_without_anything_are_no_problem(luma):
    assert without_bars(luma).size and hashes_of(luma).shape == (HASHES,)


def test_pictures_that_could_not_be_read_are_compared_with_nothing(drawn):
    hashes = drawn[1][:4].copy()
    hashes[1] = hashes[0]
    found = []
    known = np.array([True, True, True, False])
    hashes[3] = hashes[0]
    find_copies(hashes, known, np.array([0, 3]), DISTANCE, lambda *what: found.append(what))
    ((one, others, bits, ways),) = found
    assert one == 0 and others.tolist() == [1] and bits.tolist() == [0] and WAYS[ways[0]] == "alike"
