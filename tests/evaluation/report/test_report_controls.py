"""Control runs stand apart: with a sentence on what they mean, in no leaderboard, pair or player; cuts are told."""

from dataclasses import replace

from evaluation.records import CONTROL, CUT
from tests.evaluation.report.made_runs import MadeRun


def test_controls_stand_apart_with_a_sentence(report, movies, tmp_path):
    base = MadeRun(tmp_path / "base", 6, movies, role="base", extra={CUT: {"largest": 0.2, "mean": 0.1, "shares": {}}})
    frozen = MadeRun(tmp_path / "base-frozen", 6, movies, -0.5, extra={CONTROL: {"kind": "frozen"}})
    found = report([base.write(), frozen.write()])
    text = found.section("leaderboard")
    assert "No model made these videos" in text and "base-frozen frozen Task" in text
    assert [run[0] for run in found.data["sets"][0]["runs"]] == ["Base"]
    assert "fewer than two runs" in found.section("compared")
    assert "base-frozen" not in found.section("trust") and "base-frozen" in found.section("evaluated")
    assert "first frames cut by 20.0% at most, 10.0% on average" in found.section("evaluated")


def test_controls_alone_are_a_page_too(report, movies, tmp_path):
    frozen = MadeRun(tmp_path / "base-frozen", 6, movies, extra={CONTROL: {"kind": "frozen"}})
    assert "base-frozen frozen Task" in report([frozen.write()]).section("leaderboard")


def test_without_controls_there_is_no_word_of_them(four_page):
    assert "Controls" not in four_page.section("leaderboard")


def test_the_page_says_how_first_frames_keep_the_given_picture(report, movies, tmp_path):
    made = MadeRun(tmp_path / "base", 2, movies)
    made.videos = [replace(one, first_frame_ssim=0.9 + n / 20) for n, one in enumerate(made.videos)]
    assert "SSIM 0.925 on average, 0.900 at least" in report([made.write()]).section("evaluated")
