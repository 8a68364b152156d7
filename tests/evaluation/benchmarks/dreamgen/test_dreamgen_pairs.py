"""Two runs in pairs, means of P(Yes), and what the benchmark's own scripts wrote, read back."""

import csv
import json
from dataclasses import replace

import pytest

from evaluation.benchmarks.dreamgen import steps
from evaluation.benchmarks.dreamgen.asking import JUDGEMENTS
from evaluation.benchmarks.dreamgen.official import read_predictions
from evaluation.benchmarks.dreamgen.options import DreamgenOptions
from evaluation.benchmarks.dreamgen.released import read_benchmark
from evaluation.benchmarks.named_videos import read_run
from evaluation.records import write_lines
from evaluation.report.others import DreamgenTable
from evaluation.scoring.judged_run import Incomplete
from stats.paired import sign_test
from tests.evaluation.benchmarks import layouts
from tests.evaluation.benchmarks.dreamgen.dreamgen_rig import FULL_GROUPS
from tests.evaluation.benchmarks.dreamgen.test_dreamgen_table import judged


def run_of(tmp_path, name, data, good, log_odds=1.0):
    _, samples = read_benchmark(data, (*FULL_GROUPS, "robocasa"))
    folder = layouts.run(tmp_path / name, samples)
    some = judged(read_run(folder), dict.fromkeys((*FULL_GROUPS, "robocasa"), good))
    write_lines(folder / JUDGEMENTS, [replace(one, log_odds=log_odds if one.yes else -log_odds) for one in some])
    return folder


def options(step, run, **more):
    return DreamgenOptions(step=step, run=run, allow_partial=True, **more)


@pytest.fixture
def data(tmp_path):
    """Five samples a group; names of RoboCasa hold commas."""
    return layouts.dreamgen(
        tmp_path / "eval175", dict.fromkeys(("gr1_object", "gr1_behavior", "gr1_env", "robocasa"), 5)
    )


def test_runs_are_compared_in_pairs_over_all_groups(data, tmp_path):
    base, executor = (run_of(tmp_path, name, data, good) for name, good in (("base", 1), ("executor", 4)))
    made = steps.table_step(options("table", base, others=(executor,)))
    (pair,) = made.compared
    assert (pair.run, pair.first, pair.column) == ("executor", "base", "IF (default)")
    assert (pair.found.better, pair.found.worse, pair.found.pairs) == (9, 0, 15)
    assert pair.found.gain == pytest.approx(9 / 15) and pair.found.p_value == pytest.approx(sign_test(9, 0))
    assert "| executor - base | IF (default) | +0.600 [" in made.to_markdown()
    kept = DreamgenTable.model_validate_json((base / "dreamgen" / "table.json").read_bytes())
    assert kept.compared[0].better == 9 and kept.rows[-1].group == "all"


def test_other_judges_are_not_compared(data, tmp_path):
    base, executor = (run_of(tmp_path, name, data, 2) for name in ("base", "executor"))
    some = judged(read_run(executor), dict.fromkeys(FULL_GROUPS, 2) | {"robocasa": 2})
    write_lines(executor / JUDGEMENTS, [replace(one, judge="another") for one in some])
    with pytest.raises(ValueError, match="not comparable"):
        steps.table_step(options("table", base, others=(executor,)))


def test_means_of_p_yes_stand_beside_the_shares_above_one_half(data, tmp_path):
    """log-odds of 1 are P(Yes) .731: two of five at .731 and three at .269 are .454 on average, and .4 above .5."""
    made = steps.table_step(options("table", run_of(tmp_path, "base", data, 2)))
    row = made.rows[0]
    assert row.rates["IF (default)"].share == 0.4
    assert row.means["IF (default)"].value == pytest.approx((2 * 0.731059 + 3 * 0.268941) / 5, abs=1e-6)
    assert row.means["IF (default)"].low < row.means["IF (default)"].value < row.means["IF (default)"].high
    assert "mean P(Yes)" in made.to_markdown()


def official_csv(path, videos, predictions):
    """As eval_sr_qwen_whole.py writes it: nothing is quoted, commas leave the prompt alone."""
    lines = ["video_path,prompt,prediction\n"]
    for (video, prompt), one in zip(videos, predictions, strict=True):
        lines.append(f"{video},{prompt.replace(',', ' ')},{one}\n")
    path.write_text("".join(lines), encoding="utf-8")


def test_the_official_csv_is_read_back_also_where_its_paths_hold_commas(data, tmp_path):
    run = run_of(tmp_path, "base", data, 2)
    groups = (*FULL_GROUPS, "robocasa")
    report = steps.export_step(options("export", run, groups=groups))
    videos = [(f"/another, machine/{one.path}", one.task) for one in report.videos]
    assert sum("," in video.rpartition("/")[2] for video, _ in videos) >= 5
    official_csv(tmp_path / "out.csv", videos, [n % 2 for n in range(len(videos))])
    assert {len(cells) for cells in csv.reader((tmp_path / "out.csv").open())} > {3}
    made = steps.table_step(options("table", run, groups=groups, official={"following": tmp_path / "out.csv"}))
    whole = made.rows[-1].rates["IF (official Qwen)"]
    assert (whole.successes, whole.valid, whole.failed) == (10, 20, 0)
    assert [row.rates["IF (official Qwen)"].valid for row in made.rows] == [5, 5, 5, 5, 20]
    assert "IF (official Qwen)" in json.loads((run / "dreamgen" / "table.json").read_text())["rows"][0]["rates"]


def test_our_own_csv_is_read_as_well(data, tmp_path):
    run = run_of(tmp_path, "base", data, 2)
    steps.export_step(options("export", run, groups=("robocasa",)))
    steps.table_step(options("table", run, groups=("robocasa",)))
    found = read_predictions(run / "dreamgen" / "dreamgen_following.csv")
    assert len(found) == 20 and sum(found.values()) == 8


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n", "header"),
        ("", "header"),
        ("video_path,prompt,prediction\nx/y.mp4,p,2\n", "line 2.*0 or 1"),
        ("video_path,prompt,prediction\nx\n", "line 2"),
        ("video_path,prompt,prediction\nx/y.mp4,p,1\nx/y.mp4,p,1\n", "line 3.*two predictions"),
    ],
)
def test_another_csv_is_refused_with_its_line(tmp_path, text, said):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(ValueError, match=said):
        read_predictions(tmp_path / "x.csv")


def test_predictions_of_strangers_and_missing_ones_are_named(data, tmp_path):
    run = run_of(tmp_path, "base", data, 2)
    report = steps.export_step(options("export", run))
    videos = [(one.path, one.task) for one in report.videos]
    official_csv(tmp_path / "few.csv", videos[1:], [1] * (len(videos) - 1))
    with pytest.raises(Incomplete, match="1 of 20 exported videos have no prediction"):
        steps.table_step(options("table", run, official={"physics": tmp_path / "few.csv"}))
    official_csv(tmp_path / "strange.csv", [*videos, ("gr1_object/9_x.mp4", "x")], [1] * (len(videos) + 1))
    with pytest.raises(ValueError, match=r"9_x\.mp4.* is no exported video"):
        steps.table_step(options("table", run, official={"physics": tmp_path / "strange.csv"}))


def test_an_export_for_the_gpt4o_script_holds_the_word_that_it_looks_for(data, tmp_path):
    run = run_of(tmp_path, "base", data, 2)
    steps.export_step(options("export", run, gpt4o=True))
    videos = sorted((run / "dreamgen" / "cosmos").rglob("*.mp4"))
    assert len(videos) == 20 and all("cosmos" in str(path) for path in videos)
