"""Ranks, the combined score and the cut file."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curation.aesthetics.combine import (
    MAX_KNOTS,
    Reference,
    ScoreWeights,
    combined,
    exposure,
    kept_count,
    knots,
    mid_rank,
    options_hash,
)

SHARES = st.floats(0, 1)
REFERENCE = Reference("colorfulness", "0" * 16, 3, 3, "first", (1.0, 2.0, 3.0), (10.0, 20.0, 30.0), 0.25, "b_01")


def test_mid_ranks_of_a_population_average_one_half():
    for population in ([1.0], [1.0, 2.0], [1.0, 1.0, 5.0], sorted(np.random.default_rng(0).normal(size=50))):
        assert np.mean([mid_rank(value, population) for value in population]) == pytest.approx(0.5)


def test_mid_rank_of_values_beyond_and_between():
    population = [1.0, 2.0, 2.0, 4.0]
    assert [mid_rank(value, population) for value in (0, 1, 2, 3, 9)] == [0, 1 / 8, 1 / 2, 3 / 4, 1]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_a_small_population_is_kept_whole(values):
    assert knots(values) == tuple(sorted(values))


def test_a_large_population_is_kept_as_order_statistics_with_ranks_within_a_thousandth():
    values = np.random.default_rng(0).lognormal(sigma=3, size=20_000).tolist()
    kept, ordered = knots(values), sorted(values)
    assert len(kept) == MAX_KNOTS and set(kept) <= set(values)
    assert (kept[0], kept[-1]) == (ordered[0], ordered[-1])
    assert max(abs(mid_rank(value, kept) - mid_rank(value, ordered)) for value in values[:2000]) < 1 / 1000


@given(SHARES, SHARES, SHARES, st.tuples(SHARES, SHARES, SHARES).filter(any))
def test_the_score_stays_within_0_and_1(aesthetic_rank, sharpness_rank, exposed, weights):
    aesthetic, sharpness, exposure = weights
    weighted = ScoreWeights(aesthetic=aesthetic, sharpness=sharpness, exposure=exposure)
    assert -1e-12 <= combined(aesthetic_rank, sharpness_rank, exposed, weighted) <= 1 + 1e-12


def test_the_default_score_is_the_documented_formula():
    assert combined(0.5, 0.2, 0.8, ScoreWeights()) == pytest.approx(0.6 * 0.5 + 0.25 * 0.2 + 0.15 * 0.8)


def test_only_the_proportions_of_the_weights_matter():
    weights = ScoreWeights(aesthetic=0.3, sharpness=0.125, exposure=0.075)
    assert combined(0.9, 0.1, 0.4, weights) == pytest.approx(combined(0.9, 0.1, 0.4, ScoreWeights()))


@pytest.mark.parametrize(
    ("mean", "black", "white", "expected"),
    [
        (127.5, 0, 0, 1),
        (0, 1, 0, 0),
        (255, 0, 1, 0),
        (63.75, 0, 0, 0.5),
        (127.5, 0.5, 0.5, 0.5),
        (191.25, 0.1, 0.2, 0.4),
    ],
)
def test_exposure_is_best_at_mid_grey_with_nothing_clipped(mean, black, white, expected):
    assert exposure(mean, black, white) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("population", "share", "kept"),
    # 0.55 * 100 is 55.00000000000001 in floats
    [(10, 0.9, 9), (9, 0.9, 9), (1, 0.9, 1), (25, 0.9, 23), (1000, 0.9, 900), (100, 0.55, 55), (3, 1, 3), (1, 0.01, 1)],
)
def test_the_number_kept_is_the_ceiling_of_the_decimal_share(population, share, kept):
    assert kept_count(population, share) == kept


def test_a_tie_at_the_cut_is_broken_by_id():
    assert REFERENCE.keeps(0.25, "b_01") and REFERENCE.keeps(0.25, "b_02") and REFERENCE.keeps(0.2500001, "a")
    assert not REFERENCE.keeps(0.25, "b_00") and not REFERENCE.keeps(0.2499999, "z")


def test_a_reference_comes_back_from_its_file_as_it_was(tmp_path):
    exact = Reference("s", "0" * 16, 2, 1, "first", (0.1 + 0.2, math.pi), (1e-300, 5e15), 1 / 3, "x")
    exact.save(tmp_path / "cut.json")
    first = (tmp_path / "cut.json").read_bytes()
    assert Reference.load(tmp_path / "cut.json") == exact
    exact.save(tmp_path / "cut.json")
    assert (tmp_path / "cut.json").read_bytes() == first


def test_no_file_is_no_reference(tmp_path):
    assert Reference.load(tmp_path / "cut.json") is None


def test_a_changed_digit_is_noticed(tmp_path):
    path = tmp_path / "cut.json"
    REFERENCE.save(path)
    path.write_bytes(path.read_bytes().replace(b'"population": 3', b'"population": 2'))
    assert b'"population": 2' in path.read_bytes()
    with pytest.raises(ValueError, match=r"cut\.json is damaged .*delete it"):
        Reference.load(path)


@pytest.mark.parametrize("change", ["{", "[]", "null", '{"format": 1}', '{"format": 9}', "\xff", "empty", "unknown"])
def test_a_damaged_file_is_named_with_the_way_out(tmp_path, change):
    path = tmp_path / "cut.json"
    REFERENCE.save(path)
    content = {name: value for name, value in json.loads(path.read_text()).items() if name != "sha256"}
    if change == "empty":
        change = json.dumps(content | {"aesthetic": []})
    elif change == "unknown":
        change = json.dumps(content | {"extra": 1})
    path.write_bytes(change.encode("latin-1"))
    with pytest.raises(ValueError, match=r"cut\.json .*delete it"):
        Reference.load(path)


def test_the_options_hash_ignores_order_and_sees_values():
    assert options_hash({"a": 1, "b": 2}) == options_hash({"b": 2, "a": 1}) != options_hash({"a": 1, "b": 3})


@pytest.mark.parametrize("weights", [{"aesthetic": 0, "sharpness": 0, "exposure": 0}, {"aesthetic": -1}, {"beauty": 1}])
def test_impossible_weights_are_refused(weights):
    with pytest.raises(ValidationError):
        ScoreWeights(**weights)
