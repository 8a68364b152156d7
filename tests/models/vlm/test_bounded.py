"""Many calls at once: bounded, in the order in which they finish, and nothing left behind."""

import asyncio
from contextlib import aclosing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.vlm.bounded import map_bounded
from models.vlm.protocol import VLMUnavailable


@settings(max_examples=30, deadline=None)
@given(turns=st.lists(st.integers(0, 5), max_size=20), limit=st.integers(1, 8))
def test_every_item_comes_back_once_and_no_more_than_the_limit_are_in_flight_or_read_ahead(turns, limit):
    in_flight = most = read = 0

    def source():
        nonlocal read
        for item in enumerate(turns):
            read += 1
            yield item

    async def call(item):
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        for _ in range(item[1]):
            await asyncio.sleep(0)
        in_flight -= 1
        return item[0] * 10

    async def collect():
        results = []
        async for item, result in map_bounded(call, source(), limit):
            results.append((item[0], result))
            assert read <= len(results) + limit
        return results

    results = asyncio.run(collect())
    assert sorted(results) == [(i, i * 10) for i in range(len(turns))]
    assert most <= limit


def test_results_come_as_calls_finish():
    async def run():
        gates = {name: asyncio.Event() for name in "abc"}

        async def call(name):
            await gates[name].wait()
            return name

        order = []
        gates["c"].set()
        async for _, result in map_bounded(call, "abc", 3):
            order.append(result)
            for other in "ba":
                if other not in order:
                    gates[other].set()
                    break
        return order

    assert asyncio.run(run()) == ["c", "b", "a"]


def test_an_unavailable_model_is_a_result_and_other_items_go_on():
    async def call(item):
        if item == 1:
            raise VLMUnavailable("timeout", "too slow")
        return item

    async def run():
        return {item: result async for item, result in map_bounded(call, range(3), 2)}

    results = asyncio.run(run())
    assert (results[0], results[2]) == (0, 2)
    assert results[1].kind == "timeout"


@pytest.mark.parametrize("end", ["break", "mistake", "cancel"])
def test_however_it_ends_no_call_is_left_running(end):
    started, ended = [], []

    async def call(item):
        started.append(item)
        try:
            if item == 0:
                if end == "mistake":
                    raise KeyError("a mistake of the program")
                return item
            await asyncio.Event().wait()
        finally:
            ended.append(item)

    async def consume():
        async with aclosing(map_bounded(call, range(100), 4)) as results:
            async for _ in results:
                if end == "break":
                    break

    async def run():
        task = asyncio.create_task(consume())
        if end == "cancel":
            while len(started) < 5:
                await asyncio.sleep(0)
            task.cancel()
        try:
            await task
        except (KeyError, asyncio.CancelledError) as error:
            assert end == ("mistake" if isinstance(error, KeyError) else "cancel")
        return asyncio.all_tasks()

    left = asyncio.run(run())
    assert len(left) == 1, "only the test's own task"
    assert len(started) <= 5, "the rest was not read"
    # A call that was cancelled before its first step neither starts nor ends.
    assert sorted(started) == sorted(ended)


def test_a_limit_of_none_is_refused():
    async def run():
        async for _ in map_bounded(asyncio.sleep, [0], 0):
            pass

    with pytest.raises(ValueError, match="limit 0"):
        asyncio.run(run())
