"""VideoPhy's files: what its scripts take, and what both versions write."""

import csv
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.benchmarks import videophy
from evaluation.benchmarks.dreamgen import steps
from evaluation.benchmarks.dreamgen.options import DreamgenOptions
from evaluation.benchmarks.dreamgen.released import read_benchmark
from evaluation.benchmarks.named_videos import Exported, export, read_run
from evaluation.benchmarks.videophy import PhysicsScore
from tests.evaluation.benchmarks import layouts


def exported(*paths: str) -> list[Exported]:
    return [Exported(path, f"id{n}", "g", 0, "p", "t", "0", "r", "m", "") for n, path in enumerate(paths)]


def test_the_input_has_the_columns_and_every_caption_on_one_line(tmp_path):
    rows = [("a/1.mp4", 'pick up "this", then\nstop'), ("a/2.mp4", '=HYPERLINK("evil")'), ("a/3.mp4", "<b>x</b>")]
    assert videophy.write_input(tmp_path / "in.csv", rows) == 3
    read = list(csv.DictReader((tmp_path / "in.csv").open(newline="")))
    assert [row["videopath"] for row in read] == ["a/1.mp4", "a/2.mp4", "a/3.mp4"]
    assert [row["caption"] for row in read] == ['pick up "this", then stop', ' =HYPERLINK("evil")', "<b>x</b>"]
    assert len((tmp_path / "in.csv").read_text().splitlines()) == 4
    with pytest.raises(ValueError, match="twice"):
        videophy.write_input(tmp_path / "in.csv", [("a", "x"), ("a", "y")])


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_no_caption_opens_as_a_formula(caption):
    cell = videophy.harmless(caption)
    assert not cell.startswith(("=", "+", "-", "@")) and len(cell.splitlines()) <= 1


def test_version_1_has_no_header_and_counts_from_a_half_on(tmp_path):
    (tmp_path / "o.csv").write_text(
        'v/a.mp4,"pick up, slowly",0.5\nv/b.mp4,x,0.498046875\nv/a.mp4,"pick up, slowly",0.5\n'
    )
    scores = videophy.read_output(tmp_path / "o.csv")
    assert [(one.videopath, one.good) for one in scores] == [("v/a.mp4", True), ("v/b.mp4", False)]


def test_version_2_counts_from_four_on_and_its_zero_is_no_answer(tmp_path):
    (tmp_path / "o.csv").write_text(",videopath,caption,score\n0,a.mp4,x,4.0\n1,b.mp4,x,3\n2,c.mp4,x,0.0\n")
    assert [one.good for one in videophy.read_output(tmp_path / "o.csv", 2)] == [True, False, None]


@pytest.mark.parametrize(
    ("version", "text", "said"),
    [
        (1, "", "no scores"),
        (1, "a.mp4,x\n", "2 cells instead of 3"),
        (1, "a.mp4,x,nan\n", "score 'nan'"),
        (1, "a.mp4,x,1.2\n", "0 to 1"),
        (1, "a.mp4,x,0.2\na.mp4,x,0.9\n", "different score"),
        (1, 'a.mp4,"x,0.2\n', "line"),
        (1, "a.mp4,\0,0.2\n", "NUL"),
        (1, f"a.mp4,{'x' * 200_000},0.2\n", "field larger"),
        (2, "videopath,caption\na,b\n", "lack score"),
        (2, "videopath,caption,score\na,b,6\n", "1 to 5"),
        (2, "videopath,caption,score\na,b,3.5\n", "whole number"),
    ],
)
def test_an_output_of_another_form_is_refused(tmp_path, version, text, said):
    (tmp_path / "o.csv").write_text(text)
    with pytest.raises(ValueError, match=said):
        videophy.read_output(tmp_path / "o.csv", version)


def test_scores_are_matched_by_the_end_of_their_path():
    scores = [
        PhysicsScore("/elsewhere/videos/gr1_env/1_b.mp4", "", 0.2, 1),
        PhysicsScore("gr1_env/0_a.mp4", "", 0.9, 1),
    ]
    assert videophy.matched(scores, exported("gr1_env/0_a.mp4", "gr1_env/1_b.mp4"))["id1"].score == 0.2
    with pytest.raises(ValueError, match=r"1 of 3 videos have no score: gr1_env/2_c\.mp4"):
        videophy.matched(scores, exported("gr1_env/0_a.mp4", "gr1_env/1_b.mp4", "gr1_env/2_c.mp4"))
    with pytest.raises(ValueError, match="no video of this run"):
        videophy.matched(scores, exported("gr1_env/0_a.mp4"))


def test_videophys_scores_become_pa_ii_of_the_table(dreamgen, tmp_path, judge_vlm):
    _, samples = read_benchmark(dreamgen)
    folder = layouts.run(tmp_path / "run", samples)
    report = steps.export_step(DreamgenOptions(step="export", run=folder))
    rows = list(csv.DictReader((folder / "dreamgen" / "videophy_input.csv").open(newline="")))
    assert [row["caption"] for row in rows] == [sample.task for sample in samples] and len(report.videos) == 9
    with (tmp_path / "out.csv").open("w", newline="") as file:  # as version 1 writes
        writer = csv.writer(file)
        writer.writerows([row["videopath"], "physics?", 0.9 if n else 0.1] for n, row in enumerate(rows))
    from evaluation.benchmarks.dreamgen.asking import judge

    judge(read_run(folder), DreamgenOptions(step="score", run=folder).judge, vlm=judge_vlm, read=lambda *_: _pixels())
    chosen = {"step": "table", "run": folder, "videophy": tmp_path / "out.csv", "allow_partial": True}
    made = steps.table_step(DreamgenOptions(**chosen))
    assert made.rows[0].rates["PA-II"].successes == 2 and made.rows[0].pa == pytest.approx((1 + 2 / 3) / 2)
    assert "| PA |" in made.to_markdown().splitlines()[0]
    saved = json.loads((folder / "dreamgen" / "table.json").read_text())
    assert saved["rows"][0]["rates"]["PA-II"]["valid"] == 3


def _pixels():
    import numpy as np

    return np.zeros((60, 32, 32, 3), np.uint8)


def test_an_export_of_hostile_names_stays_in_its_folder(tmp_path):
    folder = layouts.run(tmp_path / "run", [layouts.Sample("a", "gr1_env/0_x.png", "t")])
    with pytest.raises(ValueError, match="leaves"):
        export(read_run(folder), tmp_path / "out", lambda sample: "../../x.mp4")
