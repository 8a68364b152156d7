"""docs/options.md is what the pydantic models say today."""

import re

import pytest

from assets.support.option_tables import anchor
from pipelines.options import page


@pytest.fixture(scope="module")
def lines():
    return list(page())


def test_the_page_is_current(repository, lines):
    told = (repository / "docs" / "options.md").read_text(encoding="utf-8")
    assert told == "\n".join(lines).rstrip("\n") + "\n", "run: python -m pipelines.options > docs/options.md"


def test_every_link_to_a_block_leads_to_its_heading(lines):
    headings = {anchor(line.lstrip("# ")) for line in lines if line.startswith("#")}
    linked = set(re.findall(r"\]\(#([^)]+)\)", "\n".join(lines)))
    assert linked <= headings


def test_no_heading_stands_twice(lines):
    headings = [line for line in lines if line.startswith("#")]
    assert len(headings) == len(set(headings))


def test_every_option_says_what_it_means(lines):
    silent = [line for line in lines if line.endswith("|  |") and line.startswith("| `")]
    assert not silent, "give these a Field(description=...), or their block a docstring"
