"""The transform inverts, is Ctrl-World's to the letter, and its file is read by and from Ctrl-World."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from robots.statistics import Statistics, read_statistics, write_statistics
from storage.json_files import NotJson

STAT = {
    "state_01": [0.2677, -0.4417, -0.0428, -3.1374, -1.2144, -2.1158, 0.0],
    "state_99": [0.7811, 0.4367, 0.7844, 3.1375, 0.9039, 1.9916, 0.9912],
}


def plain(low: np.ndarray, high: np.ndarray) -> Statistics:
    return Statistics(q01=low, q99=high, count=3, robot="droid", columns=("x", "y"))


def made(low: tuple[float, float], width: tuple[float, float]) -> Statistics:
    return plain(np.array(low), np.array(low) + np.array(width))


VALUE = some.floats(-1e3, 1e3)
STATISTICS = some.builds(made, some.tuples(VALUE, VALUE), some.tuples(*[some.just(0.0) | some.floats(1e-3, 1e3)] * 2))


@given(STATISTICS, arrays(np.float64, (4, 2), elements=some.floats(0, 1)))
def test_what_lies_between_the_quantiles_comes_back(statistics, shares):
    states = statistics.q01 + shares * (statistics.q99 - statistics.q01)
    states = np.clip(states, statistics.q01, statistics.q99)
    back = statistics.restored(statistics.normalised(states))
    assert np.all(np.abs(back - states) <= 2e-7 * (statistics.q99 - statistics.q01) + 2e-8)
    assert not statistics.clip_fraction(states).any()


@given(STATISTICS, arrays(np.float32, (4, 2), elements=some.floats(-1, 1, width=32)))
def test_what_is_normalised_comes_back(statistics, normalised):
    wide = statistics.q99 > statistics.q01  # else 1e-8 of a turn is lost in the float of a large value
    back = statistics.normalised(statistics.restored(normalised))
    assert np.abs(back - normalised)[:, wide].max(initial=0) <= 1e-6


@given(STATISTICS, arrays(np.float64, (5, 2), elements=some.floats(-5e3, 5e3)))
def test_it_is_ctrl_worlds_formula_and_never_leaves_the_cube(statistics, states):
    normalised = statistics.normalised(states)
    low, high = statistics.q01, statistics.q99
    assert np.array_equal(normalised, np.clip(2 * (states - low) / (high - low + 1e-8) - 1, -1, 1).astype(np.float32))
    outside = (states < low - 1e-6) | (states > high + 1e-6)
    assert np.all(statistics.clip_fraction(states) >= outside.mean(axis=0))


def test_clip_fraction_is_told_for_each_column():
    statistics = plain(np.array([0.0, 0.0]), np.array([1.0, 1.0]))
    states = np.array([[0.5, 2.0], [0.1, -1.0], [0.2, 0.5], [1.5, 0.5]])
    assert statistics.clip_fraction(states).tolist() == [0.25, 0.5]


def test_statistics_come_back_from_their_file(tmp_path):
    statistics = Statistics(
        np.array([0.1, 1 / 3]),
        np.array([0.2, 2 / 3]),
        count=7,
        robot="fetch",
        columns=("x", "y"),
        minimum=np.array([0.0, 0.3]),
        maximum=np.array([1.0, 0.7]),
        not_finite=np.array([0, 2]),
        exact=False,
    )
    write_statistics(tmp_path / "statistics.json", statistics)
    assert read_statistics(tmp_path / "statistics.json") == statistics
    assert statistics != plain(np.array([0.1, 1 / 3]), np.array([0.2, 2 / 3]))


def test_ctrl_worlds_file_is_read_and_ours_has_its_keys(tmp_path):
    (tmp_path / "stat.json").write_text(json.dumps(STAT))
    statistics = read_statistics(tmp_path / "stat.json")
    assert (statistics.robot, statistics.count, statistics.columns) == ("", 0, ())
    write_statistics(tmp_path / "statistics.json", statistics)
    assert STAT.items() <= json.loads((tmp_path / "statistics.json").read_text()).items()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"state_01": [1]}, "state_99 is missing"),
        ({"state_01": [1, 2], "state_99": [3]}, "one a column"),
        ({"state_01": 1, "state_99": 3}, "one a column"),
        ({"state_01": [3, 2], "state_99": [3, 1]}, "column 1: state_01 2 is above state_99 1"),
        ({"state_01": ["a"], "state_99": [1]}, "could not convert"),
        ({"state_01": [None], "state_99": [1]}, "not finite"),
        ({"state_01": [float("nan")], "state_99": [1]}, "not finite"),
        ({"state_01": [{}], "state_99": [1]}, "what is no number"),
        ({"state_01": [0], "state_99": [1], "format": 9}, "format 9 of statistics is not known: 1 is read"),
        ({"state_01": [0], "state_99": [1], "columns": ["x", "y"]}, "1 quantiles for the 2 columns x, y"),
        ({"state_01": [0], "state_99": [1], "columns": 3}, "what is no number"),
    ],
)
def test_a_file_that_is_no_statistics_is_refused_by_its_name(tmp_path, said, told):
    path = tmp_path / "stat.json"
    path.write_text(json.dumps(said))
    with pytest.raises(NotJson, match=r"stat\.json: ") as caught:
        read_statistics(path)
    assert told in str(caught.value)


def test_states_that_cannot_be_normalised_are_refused_with_row_and_column():
    statistics = plain(np.zeros(2), np.ones(2))
    with pytest.raises(ValueError, match=r"^y of row 1 is nan: a finite number is needed$"):
        statistics.normalised(np.array([[0, 0], [0, np.nan]]))
    with pytest.raises(ValueError, match=r"sizes \[4, 7\]: the last must be 2"):
        statistics.normalised(np.zeros((4, 7)))
