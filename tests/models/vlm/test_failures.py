"""One family of errors for whoever fails too often, and one rule for how often is too often."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vlm.failures import TooManyFailures, bearable


@pytest.mark.parametrize(
    ("share", "count", "wanted"),
    [
        (0.0, 1000, 1),
        (0.03, 10, 1),
        (0.2, 10, 2),
        (0.2, 14, 2),
        (1.0, 7, 7),
        # Products that fall a little short of the number that is meant.
        (0.29, 100, 29),
        (0.57, 100, 57),
        (0.07, 300, 21),
    ],
)
def test_so_many_may_fail(share, count, wanted):
    assert bearable(share, count) == wanted


@given(percent=st.integers(0, 100), count=st.integers(1, 10**6))
def test_a_share_in_percent_is_exact(percent, count):
    assert bearable(percent / 100, count) == max(1, percent * count // 100)


def test_the_family_lies_in_one_place(repository):
    rooms = ("assets", "curation", "evaluation", "microworld", "models", "pipelines", "training")
    found = set()
    for path in (path for room in rooms for path in (repository / room).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "TooMany" in text:
            classes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
            named = [one.name for one in classes if "TooMany" in one.name + "".join(map(ast.unparse, one.bases))]
            found |= {(path.relative_to(repository).as_posix(), name) for name in named}
    names = {one.__name__ for one in (TooManyFailures, *TooManyFailures.__subclasses__())}
    assert found == {("models/vlm/failures.py", name) for name in names}
