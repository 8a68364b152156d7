"""Streaming quantiles are numpy's for small data, bounded in memory above, and the same bytes in any order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from robots.quantiles import StreamingQuantiles, rounded

ROWS = arrays(
    np.float64, some.tuples(some.integers(1, 40), some.just(2)), elements=some.floats(-1e4, 1e4) | some.just(0.5)
)


def counted(states: np.ndarray, exact_rows: int = 200_000) -> StreamingQuantiles:
    one = StreamingQuantiles(("x", "y"), "droid", exact_rows)
    one.add(states)
    return one


@given(ROWS)
def test_small_data_have_numpys_quantiles(states):
    statistics = counted(states).statistics()
    assert np.allclose(
        [statistics.q01, statistics.q99], np.quantile(states, [0.01, 0.99], axis=0), rtol=1e-12, atol=1e-9
    )
    assert statistics.exact
    assert statistics.count == len(states)
    assert np.array_equal(statistics.maximum, states.max(axis=0))


@given(ROWS, some.sampled_from([5, 20, 1000]), some.randoms(use_true_random=False), some.integers(1, 5))
def test_shards_join_in_any_order_to_the_same_bytes(states, exact_rows, random, workers):
    whole = counted(states, exact_rows).to_bytes()
    rows = list(range(len(states)))
    random.shuffle(rows)
    shards = [counted(states[part], exact_rows) for part in np.array_split(rows, workers)]
    while len(shards) > 1:
        one = shards.pop(random.randrange(len(shards)))
        shards[random.randrange(len(shards))].join(StreamingQuantiles.from_bytes(one.to_bytes()))
    assert shards[0].to_bytes() == whole


def test_large_data_are_counted_in_bounded_memory_and_almost_exact():
    random = np.random.default_rng(0)
    states = np.column_stack([random.normal(0.5, 0.1, 60_000), random.uniform(-3.14, 3.14, 60_000)])
    one = counted(states, exact_rows=1000)
    statistics = one.statistics()
    assert not statistics.exact
    assert all(len(values) < 40_000 for values in one.values)
    true = np.quantile(states, [0.01, 0.99], axis=0)
    assert np.allclose([statistics.q01, statistics.q99], true, rtol=2e-4)
    more = counted(np.concatenate([states] * 4), exact_rows=1000)
    assert [len(values) for values in more.values] == [len(values) for values in one.values]  # the bins, not the rows


@given(arrays(np.float64, 20, elements=some.floats(-1e6, 1e6)))
def test_rounding_is_small_and_done_once(values):
    once = rounded(values)
    assert np.all(np.abs(once - values) <= np.maximum(1.23e-4 * np.abs(values), 1e-6))
    assert np.array_equal(rounded(once), once)


def test_values_that_are_no_numbers_are_counted_apart():
    states = np.array([[1.0, 2.0], [np.nan, 3.0], [np.inf, 4.0]])
    statistics = counted(states).statistics()
    assert statistics.not_finite.tolist() == [2, 0]
    assert statistics.q99[0] == 1.0
    with pytest.raises(ValueError, match=r"^x has no finite value in 2 rows: there are no quantiles$"):
        counted(states[1:]).statistics()
    with pytest.raises(ValueError, match=r"^x, y has no finite value in 0 rows"):
        StreamingQuantiles(("x", "y")).statistics()


def test_shards_of_different_robots_and_foreign_bytes_are_refused():
    one = counted(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="robot of two shards differ: 'droid' and 'fetch'"):
        one.join(StreamingQuantiles(("x", "y"), "fetch"))
    with pytest.raises(ValueError, match=r"sizes \[2, 3\]: \[rows, 2\] is expected"):
        one.add(np.zeros((2, 3)))
    for data in (b"", b"PK\x03\x04 no archive", b"{}"):
        with pytest.raises(ValueError, match="no counted states"):
            StreamingQuantiles.from_bytes(data)


def test_a_join_takes_what_the_other_has_not_yet_counted():
    one, other = counted(np.array([[1.0, -0.0]])), counted(np.array([[3.0, 0.0], [np.nan, 0.0]]))
    one.join(other)
    statistics = one.statistics()
    assert (statistics.count, statistics.maximum[0], statistics.not_finite.tolist()) == (3, 3.0, [1, 0])
    assert len(one.values[1]) == 1  # 0 and -0 are one value
    assert counted(np.array([[-0.0, 0.0]])).to_bytes() == counted(np.array([[0.0, -0.0]])).to_bytes()


def test_values_are_rounded_beyond_the_given_rows_alone_and_near_0_become_0():
    states = np.array([[0.1, 1e-9], [0.3, 0.0]])
    assert counted(states, exact_rows=2).statistics().minimum.tolist() == [0.1, 0.0]
    assert counted(states, exact_rows=1).statistics().minimum[0] == rounded(np.array(0.1)) != 0.1
    assert rounded(np.array([9e-7, -9e-7, 2e-6])).tolist() == [0.0, 0.0, float(rounded(np.array(2e-6)))]
