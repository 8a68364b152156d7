"""docs/extending.md: its examples are carried out in a copy of the repository, and run there."""

import re

import pytest

from tests.docs.clone import carry_out, changed, clone, run
from tests.docs.pages import FENCE, PAGES, dedented

pytestmark = pytest.mark.slow

PAGE = next(page for page in PAGES if page.name == "docs/extending.md")
PARTS = re.split(r"(?m)^## ", PAGE.text)[1:]


@pytest.mark.parametrize("part", PARTS, ids=[part.splitlines()[0] for part in PARTS])
def test_the_example_works_in_a_copy_of_the_repository(part, tmp_path):
    folder = clone(tmp_path / "copy")
    blocks = [(language, dedented(body)) for _, language, body in FENCE.findall(part)]
    programs = [(body, language) for language, body in blocks if carry_out(body, language, folder) is not None]
    assert programs, "the part ends in no program that tries it"
    for code, language in programs:
        finished = run(code, language, folder)
        assert finished.returncode == 0, finished.stderr[-3000:]


def test_a_change_whose_old_lines_are_gone_is_noticed():
    with pytest.raises(AssertionError, match="stand there 0 times"):
        changed("a\nb\n", " a\n+c\n d", "x.py")


def test_a_change_in_two_places_is_made():
    assert changed("a\nb\nc\nd\n", " a\n+x\n...\n-c\n+y", "x.py") == "a\nx\nb\ny\nd\n"
