"""Made-up runs with real videos, and the page that a report makes of them."""

import html
import json
import re
from pathlib import Path

import pytest

from evaluation.report.build import build_report
from tests.evaluation.report.made_runs import films, four_runs
from tests.pages.markup import Markup


class Page(Markup):
    """The page of a report; `data` is what its players show."""

    def __init__(self, path: Path):
        self.path, self.html = path, path.read_text(encoding="utf-8")
        super().__init__(self.html)
        self.data = json.loads(self.scripts[0])

    def section(self, name: str) -> str:
        """The text of one section."""
        markup = re.search(rf'<section id="{name}".*?</section>', self.html, re.DOTALL)[0]
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", markup)).split())


@pytest.fixture(scope="session")
def movies(tmp_path_factory):
    """A few MP4 files."""
    return films(tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="session")
def four(tmp_path_factory, movies):
    """The folders of base, Demonstrator, Executor and +VLM over 24 samples."""
    return four_runs(tmp_path_factory.mktemp("runs"), movies, 24)


@pytest.fixture(scope="session")
def four_page(tmp_path_factory, four):
    return Page(build_report(four, tmp_path_factory.mktemp("report"), title="Trial"))


@pytest.fixture
def report(tmp_path):
    """report(folders, **options of build_report) -> Page."""

    def make(folders, reproduction=None, out="report", **options) -> Page:
        return Page(build_report(folders, tmp_path / out, reproduction, **options))

    return make
