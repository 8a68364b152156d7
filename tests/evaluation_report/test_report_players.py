"""The players' script in a real browser: filters, search, paging, and pages without any video."""

import os
import re
import shutil
import subprocess
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from made_runs import MadeRun

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to run the page's script in")
ANSWERS, YES = 7, 1  # places in a pane and in an answer (evaluation/report/players.py)
PAGE = 6


@pytest.fixture
def shown(tmp_path):
    """shown(page, **filters) -> (the count's text, the tasks on the cards) as a browser has them."""

    def make(page, /, **filters) -> tuple[str, list[str]]:
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
        address = f"{page.path.as_uri()}#videos?{urlencode(filters)}"
        try:
            done = subprocess.run(
                [*command, "--virtual-time-budget=2000", "--dump-dom", address],
                capture_output=True,
                text=True,
                timeout=120,
                env={**os.environ, "HOME": str(tmp_path)},
            )
        except subprocess.TimeoutExpired:
            pytest.skip("the browser does not answer within two minutes")
        if "</html>" not in done.stdout:
            pytest.skip(f"the browser does not start here: {done.stderr[-200:]}")
        count = re.search(r'<p id="count"[^>]*>(.*?)</p>', done.stdout, re.DOTALL)[1]
        return count, re.findall(r"<h3[^>]*>(\[.*?)</h3>", done.stdout)

    return make


def tasks(page, wanted) -> list[str]:
    """The tasks of the rows that `wanted` (panes -> bool) chooses."""
    texts, samples = page.data["texts"], page.data["samples"]
    return [texts[samples[row[1]][1]] for row in page.data["rows"] if wanted(row[3])]


def yes(pane, question: int = 0) -> int:
    return pane[ANSWERS][question][YES]


def test_executor_right_and_base_wrong_shows_just_those(four_page, shown):
    wanted = tasks(four_page, lambda panes: yes(panes[2]) == 1 and yes(panes[0]) == 0)
    assert wanted
    count, cards = shown(four_page, right=2, wrong=0)
    assert count == f"{len(wanted)} of 24 tasks and seeds"
    assert cards == wanted[:PAGE]


def test_search_category_and_another_question_narrow_together(four_page, shown):
    texts, samples = four_page.data["texts"], four_page.data["samples"]
    wanted = [
        texts[samples[row[1]][1]]
        for row in four_page.data["rows"]
        if texts[samples[row[1]][4]] == "positioning"
        and "place 1" in texts[samples[row[1]][1]]
        and yes(row[3][2], 2) == 1
    ]
    count, cards = shown(four_page, q="PLACE 1", type="positioning", question=2, right=2)
    assert wanted and count == f"{len(wanted)} of 24 tasks and seeds"
    assert cards == wanted[:PAGE]


def test_pages_go_on_where_the_last_ended_and_nonsense_in_the_address_is_passed_over(four_page, shown):
    everything = tasks(four_page, lambda panes: True)
    assert shown(four_page, page=1)[1] == everything[PAGE : 2 * PAGE]
    assert shown(four_page, page="x", right=99, question="<b>", surprise=1)[1] == everything[:PAGE]


def test_runs_without_any_video_still_have_cards(report, shown, movies, tmp_path):
    made = MadeRun(tmp_path / "run", 2, movies)
    made.videos = [replace(one, failure="out of memory", sha256="") for one in made.videos]
    page = report([made.write()])
    count, cards = shown(page, show="missing")
    assert count == "2 of 2 tasks and seeds" and len(cards) == 2
