"""What the page says of runs and judges: failures, curves, judges beside judges, runs that cannot be compared."""

from dataclasses import replace

from evaluation.records import Judgement, read_lines, write_lines
from tests.evaluation.report.made_runs import MadeRun


def test_a_failed_judgement_keeps_its_reason_and_leaves_the_share(report, movies, tmp_path):
    made = MadeRun(tmp_path / "run", 4, movies)
    made.judgements[0] = replace(made.judgements[0], log_odds=None, yes=None, text="maybe", failure="malformed: maybe")
    found = report([made.write()])
    answer = found.data["rows"][0][3][0][7][0]
    assert answer[:2] == [None, -1] and found.data["texts"][answer[3]] == "malformed: maybe"
    assert " / 3" in found.section("leaderboard")


def test_one_run_is_enough(report, four):
    found = report(four[:1])
    assert "fewer than two runs" in found.section("compared")
    assert "Only one judge" in found.section("trust") and "one wording only" in found.section("trust")


def test_runs_that_cannot_be_compared_are_refused_with_the_reason(report, movies, tmp_path):
    first = MadeRun(tmp_path / "one", 5, movies, role="base")
    second = MadeRun(tmp_path / "two", 5, movies, 0.5, role="executor")
    second.judgements = [replace(one, prompt_hash="e" * 16) for one in second.judgements]
    found = report([first.write(), second.write()])
    assert "Not compared: prompts of 'agent'" in found.section("compared")
    assert "failed same judge, blocking" in found.section("trust")


def test_earlier_steps_are_points_of_a_curve_and_only_the_last_is_shown(report, movies, tmp_path):
    folders = []
    for step, shift in ((10, -0.5), (20, 0.0), (30, 0.6)):
        made = MadeRun(tmp_path / f"step-{step}", 12, movies, shift, role="executor", step=step, notes=("plumbing",))
        made.pickscore = 19.5 + shift / 10
        folders.append(made.write())
    found = report(folders)
    assert [run[0] for run in found.data["sets"][0]["runs"]] == ["Executor (step-30, step 30)"]
    curves = found.section("curves")
    assert "Task against optimizer steps" in found.html
    assert "paper: on-policy + RL (WMSD)" in curves and "PickScore / 26" in curves
    assert all(f"step-{step}" in curves for step in (10, 20, 30))
    assert "The paper's steps, 0 to 100, are on the axis at the top" in curves
    assert "plumbing" in found.text[: found.text.index("T, the task")]


def test_two_runs_of_one_step_make_no_curve_and_say_so(report, movies, tmp_path):
    folders = [MadeRun(tmp_path / name, 4, movies, role="executor", step=5).write() for name in ("a", "b")]
    assert "both of step 5" in report(folders).section("curves")


def test_wordings_and_judges_are_set_against_each_other(report, movies, tmp_path):
    made = MadeRun(tmp_path / "run", 20, movies)
    made.variants()
    made.write()
    made.judged_again()
    trust = report([made.folder]).section("trust")
    assert "Kappa of all (Fleiss)" in trust and "1-2:" in trust
    assert "judge-noisy against judge-1" in trust and "Sensitivity" in trust
    turned = report([made.folder], out="turned", exact_judge="judge-noisy").section("trust")
    assert "judge-1 against judge-noisy" in turned


def test_a_run_of_which_two_judges_were_asked_nothing_in_common_is_passed_over(report, movies, tmp_path):
    made = [MadeRun(tmp_path / name, 20, movies, role=name) for name in ("base", "executor", "vlm")]
    for one in made:
        one.write()
        one.judged_again()
    path = made[1].folder / "judgements.noisy.jsonl"
    write_lines(path, [replace(one, variant=2) for one in read_lines(path, Judgement)])
    trust = report([one.folder for one in made]).section("trust")
    assert "judge-noisy against judge-1 , 2 runs" in trust and "What these errors do to each run's score" in trust
    assert "Task Base" in trust and "Task Executor" not in trust
    alone = report([made[1].folder], out="alone").section("trust")
    assert (
        "Not compared: judge-noisy against judge-1: nothing can be compared: 60 and 60 judgements share no video"
        in alone
    )


def test_a_judge_that_always_says_the_same_is_flagged(report, movies, tmp_path):
    made = MadeRun(tmp_path / "run", 25, movies)
    made.judgements = [replace(one, log_odds=2.0, yes=True) for one in made.judgements]
    trust = report([made.write()]).section("trust")
    assert "failed constant judge" in trust and "the same answer to Task" in trust


def test_runs_before_two_judges_stand_in_two_tables(report, movies, tmp_path):
    other = MadeRun(tmp_path / "other", 4, movies)
    other.judgements = [replace(one, judge="judge-2") for one in other.judgements]
    runs = [MadeRun(tmp_path / name, 4, movies, role=name).write() for name in ("base", "executor")]
    found = report([*runs, other.write()])
    board = found.section("leaderboard")
    assert board.count("Each run's own videos.") == 2 and "judge judge-1" in board and "judge judge-2" in board
    assert "they are not compared with runs of other judges" in found.section("compared").lower()
    assert "failed same judge, blocking" in found.section("trust") and len(found.data["sets"]) == 2
    assert "judge judge-1" not in report(runs, out="alike").section("leaderboard")


def test_runs_that_answered_alike_show_an_interval_and_how_it_was_made(report, movies, tmp_path):
    made = [MadeRun(tmp_path / name, 12, movies, role=name) for name in ("base", "executor")]
    for one, value in zip(made, (-2.0, 2.0), strict=True):
        one.judgements = [replace(judged, log_odds=value, yes=value > 0) for judged in one.judgements]
        one.pickscore = 19.0
    part = MadeRun(tmp_path / "part", 5, movies, role="other", lora_sha256="e" * 64, extra={"part": True})
    page = report([one.write() for one in (*made, part)])
    board, compared = page.section("leaderboard"), page.section("compared")
    assert "0.000 0.000 to 0.242 0 / 12" in board and "no interval: all alike" in board
    assert "only the first 5 tasks" in board and "0.000 0.000 to 0.000" not in board
    assert "Gain +1.000 [+0.515, +1.000]" in compared and "Interval: Tango's score interval over samples" in compared


def test_where_and_in_which_batches_a_run_was_made_is_told(report, movies, tmp_path):
    made_on = {"made_on": [{"hardware": "H100", "batch": 1}, {"hardware": "H200", "batch": 16}]}
    told = report([MadeRun(tmp_path / "run", 2, movies, extra=made_on).write()]).section("evaluated")
    assert "H100, 1 at once; H200, 16 at once" in told


def test_the_least_and_the_mean_mass_of_a_judges_answers_are_told_and_what_is_not_known(report, movies, tmp_path):
    made = MadeRun(tmp_path / "run", 4, movies)
    tasks = [place for place, one in enumerate(made.judgements) if one.question == "task"]
    for place, mass in zip(tasks, (0.9, 0.8, 0.00003), strict=False):
        made.judgements[place] = replace(made.judgements[place], mass=mass)
    thinks = replace(made.judgements[tasks[2]], log_odds=None, yes=None, failure="malformed: neither yes nor no")
    made.judgements[tasks[2]] = thinks
    trust = " ".join(report([made.write()]).section("trust").split())
    assert "Task 3 3e-05 0.567 1" in trust
    assert "Agent 0 - - 4" in trust
