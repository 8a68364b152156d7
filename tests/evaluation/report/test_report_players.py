"""The players' script in a real browser: filters, search, paging, pages without any video, and the clock of a card."""

import html
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from tests.evaluation.report.made_runs import MadeRun

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to run the page's script in")
ANSWERS, YES = 7, 1  # places in a pane and in an answer (evaluation/report/players.py)
PAGE = 6


@pytest.fixture
def browsed(tmp_path):
    """browsed(path, **filters) -> the page's markup when its script has run."""

    def make(path, /, **filters) -> str:
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
        address = f"{path.as_uri()}#videos?{urlencode(filters)}"
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
        return done.stdout

    return make


@pytest.fixture
def shown(browsed):
    """shown(page, **filters) -> (the count's text, the tasks on the cards) as a browser has them."""

    def make(page, /, **filters) -> tuple[str, list[str]]:
        markup = browsed(page.path, **filters)
        count = re.search(r'<p id="count"[^>]*>(.*?)</p>', markup, re.DOTALL)[1]
        return count, re.findall(r"<h3[^>]*>(\[.*?)</h3>", markup)

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


@pytest.mark.slow
def test_pages_go_on_where_the_last_ended_and_nonsense_in_the_address_is_passed_over(four_page, shown):
    everything = tasks(four_page, lambda panes: True)
    assert shown(four_page, page=1)[1] == everything[PAGE : 2 * PAGE]
    assert shown(four_page, page="x", right=99, question="<b>", surprise=1)[1] == everything[:PAGE]


@pytest.mark.slow
def test_runs_without_any_video_still_have_cards(report, shown, movies, tmp_path):
    made = MadeRun(tmp_path / "run", 2, movies)
    made.videos = [replace(one, failure="out of memory", sha256="") for one in made.videos]
    page = report([made.write()])
    count, cards = shown(page, show="missing")
    assert count == "2 of 2 tasks and seeds" and len(cards) == 2


# Told to the page beside its own script. Its films decode at once and stand still, so that only the clock moves them,
# and the screen's frames come when they are called: all of it happens at once, and nothing waits for a browser's time.
PROBE = """
const { clock } = cards.querySelector(".card");
const told = [];
const tell = () => told.push({
  clock: clock.time,
  films: clock.screens.map((one) => one.video.currentTime),
  strips: clock.screens.map((one) => one.image.style.objectPosition),
  said: clock.output.textContent,
});
let frame = null;
window.requestAnimationFrame = (call) => { frame = call; };
for (const one of clock.screens) {
  one.video = document.createElement("video");
  const play = async () => { one.video.paused = false; };
  for (const [name, value] of Object.entries({ readyState: 4, paused: true, currentTime: 0, play })) {
    Object.defineProperty(one.video, name, { value, writable: true });
  }
}
clock.range.value = "5";
clock.range.dispatchEvent(new Event("input"));
tell();
clock.screens[1].video.currentTime = 0;
clock.button.click();
const began = performance.now();
for (const after of [50, 100, 150, 200]) frame(began + after);
tell();
clock.button.click();
clock.node.querySelector("[aria-label='One frame back']").click();
tell();
document.body.dataset.told = JSON.stringify(told);
"""


def test_all_films_of_a_card_are_at_one_time_after_a_scrub_while_they_play_and_after_a_step(four_page, browsed):
    policy = re.search(r'<meta http-equiv="Content-Security-Policy"[^>]*>', four_page.html)[0]
    probed = four_page.path.with_name("probed.html")
    probed.write_text(four_page.html.replace(policy, "").replace("</body>", f"<script>{PROBE}</script></body>"))
    markup = browsed(probed)
    probed.unlink()
    scrubbed, played, stepped = json.loads(html.unescape(re.search(r'data-told="([^"]*)"', markup)[1]))
    assert len(scrubbed["films"]) == 4
    # The middle of the sixth of eight frames, four a second.
    assert scrubbed["clock"] == 1.375 and set(scrubbed["films"]) == {1.375}
    assert scrubbed["said"] == "1.25 s, frame 6 of 8"
    # 0.2 s later. A film that has fallen behind is fetched; none is further off than the eye sees.
    assert played["clock"] > 1.5 and all(abs(at - played["clock"]) <= 0.12 for at in played["films"]), played
    assert set(stepped["films"]) == {stepped["clock"]} and stepped["clock"] % 0.25 == 0.125
    for one in (scrubbed, played, stepped):
        assert len(set(one["strips"])) == 1
