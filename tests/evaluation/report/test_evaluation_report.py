"""One page, its videos beside it: nothing of the data is executed, nothing is fetched, the same bytes each time."""

import base64
import hashlib
import re
from dataclasses import replace

import pytest

from evaluation.records import Judgement, read_lines, write_lines
from evaluation.report.__main__ import run
from evaluation.report.options import ReportOptions
from evaluation.report.summary import read_summary
from tests.evaluation.report.made_runs import MadeRun

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'></script></title></style><!-- \u202e{{7*7}}"


def test_every_section_is_there_with_scores_intervals_and_the_papers_rows(four_page, four):
    ids = [attributes["id"] for tag, attributes in four_page.tags if tag == "section"]
    assert ids == [
        "leaderboard",
        "compared",
        "curves",
        "breakdown",
        "ablations",
        "others",
        "trust",
        "videos",
        "evaluated",
    ]
    scores = four_page.section("leaderboard")
    for label in ("Base", "Demonstrator", "Executor", "+VLM"):
        assert label in scores
    assert "0.605 0.536 to 0.670 121 / 200" in scores and "Not comparable" in scores
    assert "Executor against Base" in four_page.section("compared")
    assert "McNemar, exact" in four_page.section("compared")
    assert "few" in four_page.section("breakdown") and "navigation" in four_page.section("breakdown")
    assert "No reproduction.json was given" in four_page.section("ablations")
    assert "nothing to draw" in four_page.section("curves")


def test_the_page_shows_the_numbers_of_the_statistics(four_page, four):
    from evaluation.scoring.comparing import compare_runs
    from evaluation.scoring.judged_run import load_run
    from evaluation.scoring.run_scores import score

    base, executor = score(load_run(four[0])), score(load_run(four[2]))
    task = executor.questions["task"]
    wanted = f"{task.rate.value:.3f} {task.rate.low:.3f} to {task.rate.high:.3f} {task.successes} / {task.valid}"
    assert wanted in four_page.section("leaderboard")
    assert f"{base.average.rate.value:.3f}" in four_page.section("leaderboard")
    gain = compare_runs(four[2], four[0]).questions["task"].gain
    assert f"Gain {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]" in four_page.section("compared")


def test_the_summary_beside_the_page_says_what_the_page_says(report, four, movies, tmp_path):
    points = [
        MadeRun(tmp_path / f"s{n}", 24, movies, n / 50, role="point", step=n, extra={"curve": "c"}) for n in (0, 20)
    ]
    broken = MadeRun(tmp_path / "broken", 3, movies)
    broken.judgements = []
    page = report([*four, *(one.write() for one in points), broken.write()], reference="vlm")
    told = read_summary(page.path.parent)
    assert list(told.not_scored) == ["broken"] and "no judgements" in told.not_scored["broken"]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in told.table.splitlines()[2:]]
    assert rows == ["base", "demonstrator", "executor", "vlm", "s0", "s20"]
    assert "base - vlm" in told.comparisons and "executor - base" in told.comparisons and not told.not_compared
    assert [line.split(" | ")[:2] for line in told.curves.splitlines()[2:]] == [["| c", "0"], ["| c", "20"]]
    assert not told.no_curves and told.charts[0].title == "Task" and told.charts[0].series[0].x == (0, 20)


def test_only_our_script_may_run_and_only_files_beside_the_page_are_loaded(four_page):
    for tag, attributes in four_page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert not any(name.startswith("on") or name == "style" for name in attributes), (tag, attributes)
        for name in ("src", "href", "action", "srcset", "xlink:href"):
            assert attributes.get(name, "#").startswith("#")
    rule = next(a["content"] for _, a in four_page.tags if a.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(four_page.scripts[1].encode()).digest()).decode()
    assert rule.startswith("default-src 'none'") and f"script-src 'sha256-{digest}'" in rule
    assert "unsafe" not in rule and "http" not in rule
    assert "://" not in four_page.scripts[1]


def test_hostile_text_is_text_everywhere(report, movies, tmp_path):
    made_on = {"made_on": [{"hardware": EVIL, "batch": 4}]}
    made = MadeRun(tmp_path / "run", 3, movies, role=EVIL, notes=(EVIL,), hardware=EVIL, lora=EVIL, extra=made_on)
    made.samples = [
        replace(
            one,
            task=EVIL,
            solution=EVIL,
            agent=EVIL,
            task_type=f"{EVIL}{n}",
            agent_category=f"{EVIL}{n}",
            group=f"g{n}",
        )
        for n, one in enumerate(made.samples)
    ]
    made.videos = [replace(one, prompt=EVIL) for one in made.videos]
    made.videos[0] = replace(made.videos[0], failure=EVIL, sha256="")
    made.judgements = [replace(one, judge=EVIL, prompt_hash=EVIL, text=EVIL) for one in made.judgements]
    found = report([made.write()], title=EVIL)
    assert len(found.scripts) == 2
    assert not [attributes for tag, attributes in found.tags if tag == "img" or "onerror" in attributes]
    assert "\u202e" not in found.html and "49" not in found.section("evaluated").replace("{{7*7}}", "")
    assert "alert(1)" in found.text
    assert "<" not in found.scripts[0]
    assert EVIL.replace("\u202e", "[U+202E]") in found.data["texts"]


def test_the_same_runs_give_the_same_bytes_in_any_folder(report, four):
    first = report(four, out="first")
    again = report(four, out="again", workers=1)
    assert first.html == again.html
    names = sorted(path.relative_to(first.path.parent) for path in first.path.parent.rglob("*.jpg"))
    assert names
    for name in names:
        assert (first.path.parent / name).read_bytes() == (again.path.parent / name).read_bytes()


def test_videos_lie_beside_the_page_under_their_checksums(four_page, four):
    folder = four_page.path.parent
    rows = four_page.data["rows"]
    assert len(rows) == 24
    for _, _, _, panes in rows:
        for pane in panes:
            video = folder / "videos" / pane[0][:2] / f"{pane[0]}.mp4"
            assert hashlib.sha256(video.read_bytes()).hexdigest() == pane[0]
            assert video.with_suffix(".jpg").read_bytes()[:2] == b"\xff\xd8"


def test_missing_changed_and_broken_videos_are_told_not_linked(report, movies, tmp_path):
    made = MadeRun(tmp_path / "run", 6, movies)
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(movies[0].read_bytes())
    made.videos[3] = replace(made.videos[3], path="../secret.mp4")
    made.videos[4] = replace(made.videos[4], sha256="not hex")
    made.judgements = [
        one for one in made.judgements if one.video_id not in {made.videos[3].video_id, made.videos[4].video_id}
    ]
    made.write()
    (made.folder / made.videos[0].path).unlink()
    changed = made.folder / made.videos[1].path
    changed.unlink()
    changed.write_bytes(b"other")
    found = report([made.folder])
    panes = {found.data["texts"][found.data["samples"][row[1]][0]]: row[3][0] for row in found.data["rows"]}
    told = {name: found.data["texts"][pane[2]] for name, pane in panes.items() if not pane[0]}
    assert "cannot be had" in told["s0000"]
    assert "another one" in told["s0001"]
    assert "leaves the run's folder" in told["s0003"]
    assert "no checksum" in told["s0004"]
    assert set(told) == {"s0000", "s0001", "s0003", "s0004"}
    assert "4 videos are missing" in found.text
    assert "has no scores" in found.text  # judgements of two videos lack


def test_a_file_that_is_no_video_has_no_strip_and_the_rest_goes_on(report, movies, tmp_path):
    made = MadeRun(tmp_path / "run", 3, movies)
    broken = b"this is no video"
    digest = hashlib.sha256(broken).hexdigest()
    wrong = made.videos[0].video_id
    made.videos[0] = replace(made.videos[0], sha256=digest)
    made.judgements = [replace(one, video_sha256=digest) if one.video_id == wrong else one for one in made.judgements]
    made.write()
    path = made.folder / made.videos[0].path
    path.unlink()
    path.write_bytes(broken)
    found = report([made.folder])
    assert found.data["rows"][0][3][0][:2] == [digest, 0]
    assert found.data["rows"][1][3][0][1] == 1
    assert "1 videos do not decode" in found.text


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
    assert "Not compared: judge-noisy against judge-1: 60 and 60 judgements share no video" in alone


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
    assert "not compared with runs before another judge: those before judge-2" in found.section("compared").lower()
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
    assert "first 5 tasks alone" in board and "0.000 0.000 to 0.000" not in board
    assert "Gain +1.000 [+0.515, +1.000]" in compared and "Interval: Tango's score interval over samples" in compared


def test_where_and_in_which_batches_a_run_was_made_is_told(report, movies, tmp_path):
    made_on = {"made_on": [{"hardware": "H100", "batch": 1}, {"hardware": "H200", "batch": 16}]}
    told = report([MadeRun(tmp_path / "run", 2, movies, extra=made_on).write()]).section("evaluated")
    assert "H100, 1 at once; H200, 16 at once" in told


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
    with pytest.raises(ValueError, match=r"roles of 'nobody'"):
        report(four[:1], roles={"nobody": "base"})
    with pytest.raises(ValueError, match=r"reference 'nobody'"):
        report(four[:1], reference="nobody")
    with pytest.raises(ValueError, match=r"two runs are called 'base'"):
        report([four[0], four[0]])
    with pytest.raises(ValueError, match="run's folder"):
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
    with pytest.raises(ValueError, match="stands there twice"):
        ReportOptions(runs=("a", "a"), output="b")


def test_numbers_in_the_chart_stay_inside_it(report, movies, tmp_path):
    folders = [
        MadeRun(tmp_path / f"s{step}", 6, movies, step / 50, role="executor", step=step).write() for step in (0, 500)
    ]
    found = report(folders)
    for points in re.findall(r'points="([^"]+)"', found.html):
        places = [tuple(map(float, pair.split(","))) for pair in points.split()]
        assert all(-1 <= x <= 1001 and -1 <= y <= 1001 for x, y in places)
