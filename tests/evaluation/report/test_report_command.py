"""What the command is told: roles, names and places; what an earlier page left is removed and nothing else."""

import re

import pytest

from evaluation.report.__main__ import run
from evaluation.report.options import ReportOptions
from tests.evaluation.report.made_runs import MadeRun


def test_300_videos_are_all_in_the_data_and_none_in_the_markup(report, movies, tmp_path):
    folders = [MadeRun(tmp_path / f"run-{n}", 100, movies, n / 2, role=f"role-{n}").write() for n in range(3)]
    found = report(folders)
    assert sum(len(row[3]) for row in found.data["rows"]) == 300
    assert not [tag for tag, _ in found.tags if tag in ("video", "img")]


def test_what_an_earlier_report_showed_is_removed_and_nothing_else(report, four):
    first = report(four)
    kept = first.path.parent / "videos" / "mine.txt"
    kept.write_text("mine")
    before = {path.name for path in first.path.parent.rglob("*.mp4")}
    small = report(four[:1])
    after = {path.name for path in small.path.parent.rglob("*.mp4")}
    assert after <= before and kept.exists()
    assert after == {f"{row[3][0][0]}.mp4" for row in small.data["rows"]}


def test_wrong_names_and_places_are_refused(report, four, tmp_path):
    with pytest.raises(ValueError, match=r"roles are given for 'nobody'"):
        report(four[:1], roles={"nobody": "base"})
    with pytest.raises(ValueError, match=r"reference 'nobody'"):
        report(four[:1], reference="nobody")
    with pytest.raises(ValueError, match=r"two runs are called 'base'"):
        report([four[0], four[0]])
    with pytest.raises(ValueError, match="is the folder of a run"):
        report(four[:1], out=four[0])


def test_roles_can_be_given_for_the_page(report, four):
    found = report(four[:2], roles={"base": "executor", "demonstrator": "base"})
    assert [run for run in found.data["sets"][0]["runs"]] == [
        ["Base (demonstrator)", "base"],
        ["Executor (base)", "executor"],
    ]


def test_the_command_writes_the_page(four, tmp_path, capsys):
    run(ReportOptions(runs=tuple(map(str, four[:1])), output=str(tmp_path / "out"), title="Trial"))
    assert capsys.readouterr().out.strip() == str(tmp_path / "out" / "report.html")
    with pytest.raises(ValueError, match="appear twice"):
        ReportOptions(runs=("a", "a"), output="b")


def test_numbers_in_the_chart_stay_inside_it(report, movies, tmp_path):
    folders = [
        MadeRun(tmp_path / f"s{step}", 6, movies, step / 50, role="executor", step=step).write() for step in (0, 500)
    ]
    found = report(folders)
    for points in re.findall(r'points="([^"]+)"', found.html):
        places = [tuple(map(float, pair.split(","))) for pair in points.split()]
        assert all(-1 <= x <= 1001 and -1 <= y <= 1001 for x, y in places)
