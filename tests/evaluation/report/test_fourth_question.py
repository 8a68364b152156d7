"""Another question to the judge is one entry in models/vlm/questions.py and its prompt file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.evaluation.report.conftest import Page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict:
    """What the program fourth_question.py, a process of its own, says of a house with a fourth question."""
    program = Path(__file__).with_name("fourth_question.py")
    command = [sys.executable, str(program), str(tmp_path_factory.mktemp("fourth"))]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def test_a_fourth_question_is_judged_and_scored(told):
    assert told["scores"] == 1.0


def test_a_fourth_question_is_on_the_page_without_traces_of_the_paper(told):
    page = Page(Path(told["page"]))
    assert "Speed" in page.section("leaderboard")
    charts = [one for one in page.tags if one[0] == "svg" and "Speed" in one[1].get("aria-label", "")]
    assert charts
    (figure,) = [one for one in page.html.split("<figure") if "<h4>Speed</h4>" in one and 'class="lines"' in one]
    assert "paper" not in figure
    assert "Rewards: Speed" in page.section("ablations")


def test_a_fourth_question_has_a_weight_in_training_and_a_place_in_its_report(told):
    assert told["weight"] == 0.25 and told["asked"] == ["task", "agent", "consistency", "speed"]
    assert "rewards.speed has a weight, but rewards.judge.questions ['task', 'consistency'] lack it" in told["unasked"]
    assert told["reproduced"] == 0.9 and "| Task | Agent | Consistency | Speed | Average |" in told["table"]
    assert "rewards.png" in told["charts"]


def test_an_unknown_question_is_refused_with_those_there_are(told):
    assert all(name in told["unknown"] for name in ("'task'", "'agent'", "'consistency'", "'speed'", "sped"))


def test_the_microworld_s_judge_says_which_questions_it_answers(told):
    assert "cannot answer 'judge_speed': screening and judge_task, judge_agent, judge_consistency" in told["unanswered"]
