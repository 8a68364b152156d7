"""Checks of an evaluation fail when they should, and only blocking ones keep scores and report from being made."""

import json
from pathlib import Path

import dagster as dg
import pytest

from evaluation.records import JUDGEMENTS
from pipelines.partition_tags import tags_of
from tests.assets.evaluation.conftest import RUNS, check_of, materialized

pytestmark = pytest.mark.slow


def rewrite(path: Path, question: str, count: int | None = None, **values) -> None:
    """Changes `count` of the judgements of `question` (all when None) in a file."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    chosen = [line for line in lines if line["question"] == question][:count]
    for line in chosen:
        line |= values
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_another_judge_for_one_of_the_compared_runs_blocks_the_report(evaluated, run_job):
    page = evaluated.page.read_bytes()
    result = run_job(evaluated.changed("judgements", frames=4), names=["executor"])
    check = check_of(result, "same_judge")
    assert not check.passed and check.severity is dg.AssetCheckSeverity.ERROR
    assert "'base' and 'executor'" in check.description and "frames=4" in check.description
    assert not result.success and "report" not in materialized(result)
    assert evaluated.page.read_bytes() == page


def test_an_evaluation_in_two_stretches_may_change_the_judge_of_both(evaluated, run_job):
    """The first stretch is not set beside what the second is about to make anew; the second is set beside both."""
    names, recipe = [run["name"] for run in RUNS], evaluated.changed("judgements", frames=4)
    for stretch, tags, compared in zip((names[:2], names[2:]), tags_of([names[:2], names[2:]]), (2, 4), strict=True):
        result = run_job(recipe, names=stretch, tags=tags)
        check = check_of(result, "same_judge")
        assert check.passed and check.metadata["runs"].value == compared, check.description
        assert "frames=4" in check.metadata["judges"].value and "report" in materialized(result)


def test_too_many_failed_judgements_are_a_warning(evaluated, run_job):
    failed = {"failure": "refused: no", "log_odds": None, "yes": None}
    rewrite(evaluated.folder("base") / JUDGEMENTS, "agent", 1, **failed)
    result = run_job(evaluated.recipe, only=["scores", "report"])
    check = check_of(result, "failure_rate")
    assert not check.passed and check.severity is dg.AssetCheckSeverity.WARN
    assert check.description.startswith("base: agent: 1 of 3 judgements failed (33.3%")
    assert check.metadata["base failure_rate/agent"].value == 1 / 3
    assert result.success and "report" in materialized(result)


def test_a_judge_that_says_the_same_of_everything_is_a_warning(fresh, run_job):
    recipe = fresh.changed("generated_videos", benchmark={"microworld": {"tasks": 20}}, sampler={"steps": 1}, batch=20)
    assert run_job(recipe, names=["base"], only=["generated_videos", "judgements"]).success
    rewrite(fresh.folder("base") / JUDGEMENTS, "task", log_odds=2.0, yes=True)
    result = run_job(recipe, names=["base"], only=["scores", "report"])
    check = check_of(result, "constant_judge")
    assert not check.passed and check.severity is dg.AssetCheckSeverity.WARN
    assert "answered yes to task for all 20 videos" in check.description
    assert result.success


def test_a_score_of_half_a_run_is_refused_with_what_is_missing(evaluated, run_job):
    path = evaluated.folder("vlm") / JUDGEMENTS
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    result = run_job(evaluated.recipe, only=["scores", "report"])
    said = result.failure_data_for_node("scores").user_failure_data.description
    assert "vlm" in said and materialized(result) == set()


def test_checks_of_named_runs_look_at_these_alone(evaluated, run_job):
    (evaluated.folder("base") / "manifest.jsonl").write_text("")
    result = run_job(evaluated.recipe, names=["vlm"], only=["scores"])
    assert result.success and check_of(result, "failure_rate").description.startswith("vlm: ")
