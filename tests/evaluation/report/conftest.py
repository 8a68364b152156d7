"""Made-up runs with real videos, and the page that a report makes of them."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from evaluation.report.build import build_report
from tests.evaluation.report.made_runs import films, four_runs

VOID = {"meta", "img", "input", "br", "hr", "link"}


class Page(HTMLParser):
    """Tags with their attributes, the text, the scripts; complains of tags that do not nest. `data`: the players'."""

    def __init__(self, path: Path):
        super().__init__()
        self.path, self.html = path, path.read_text(encoding="utf-8")
        self.tags, self.words, self.scripts, self.open = [], [], [], []
        self.feed(self.html)
        self.close()
        assert self.open == []
        self.data = json.loads(self.scripts[0])

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
        if tag not in VOID and not self.get_starttag_text().endswith("/>"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing at {self.getpos()}"

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

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
