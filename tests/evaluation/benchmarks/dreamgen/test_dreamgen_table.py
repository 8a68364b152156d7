"""DreamGen's table and the command: the published percentages, and what no table is made of."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.benchmarks.dreamgen import __main__ as command
from evaluation.benchmarks.dreamgen import steps
from evaluation.benchmarks.dreamgen.asking import JUDGEMENTS
from evaluation.benchmarks.dreamgen.options import DreamgenOptions
from evaluation.benchmarks.dreamgen.released import read_benchmark
from evaluation.benchmarks.dreamgen.table import table
from evaluation.benchmarks.named_videos import read_run
from evaluation.records import Judgement, write_lines
from evaluation.scoring.judged_run import Incomplete
from stats.rates import interval
from tests.evaluation.benchmarks import layouts
from tests.evaluation.benchmarks.dreamgen.dreamgen_rig import FULL, FULL_GROUPS, config, options


def judged(run, good: dict[str, int], question: str = "dreamgen_following") -> list[Judgement]:
    """Judgements of every video: the first `good[group]` of each group succeed."""
    made, seen = [], {}
    for sample in run.samples.values():
        seen[sample.group] = seen.get(sample.group, 0) + 1
        yes = seen[sample.group] <= good[sample.group]
        video = run.videos[sample.sample_id]
        made.append(
            Judgement(
                video.video_id,
                sample.sample_id,
                question,
                1,
                "fake",
                "h",
                video.sha256,
                log_odds=1.0 if yes else -1.0,
                yes=yes,
            )
        )
    return made


@pytest.fixture(scope="module")
def full_run(tmp_path_factory):
    root = tmp_path_factory.mktemp("full")
    layouts.dreamgen(root / "eval175", FULL)
    _, samples = read_benchmark(root / "eval175")
    return read_run(layouts.run(root / "run", samples))


def test_published_counts_give_the_published_percentages(full_run):
    made = table(full_run, judged(full_run, {"object": 35, "behavior": 27, "environment": 17}), list(FULL_GROUPS))
    rates = [row.rates["IF (default)"] for row in made.rows]
    assert [f"{100 * rate.share:.1f}" for rate in rates] == ["70.0", "57.4", "58.6", "62.7"]
    assert [rate.valid for rate in rates] == [50, 47, 29, 126]
    assert made.rows[-1].group == "all" and made.rows[-1].expected == 126
    assert rates[0].interval == interval(35, 50)
    assert "0.700 [0.562, 0.809] 35/50" in made.to_markdown() and "50 of 50" in made.to_markdown()


def test_a_table_of_less_than_all_is_refused_with_the_names(full_run):
    good = {"object": 35, "behavior": 27, "environment": 17}
    most = judged(full_run, good)[1:]
    with pytest.raises(Incomplete, match=r"object: 1 not judged on IF \(default\): gr1_object-0"):
        table(full_run, most, FULL_GROUPS)
    partial = table(full_run, most, FULL_GROUPS, allow_partial=True)
    assert partial.rows[0].rates["IF (default)"].valid == 49
    assert any(note.startswith("PARTIAL") for note in partial.notes)


def test_nothing_judged_is_refused(full_run):
    with pytest.raises(Incomplete, match="nothing is judged"):
        table(full_run, [], FULL_GROUPS)


def test_a_failed_judgement_is_counted_beside_the_rate(full_run):
    first, *others = judged(full_run, {"object": 35, "behavior": 27, "environment": 17})
    lost = replace(first, log_odds=None, yes=None, failure="timeout: no answer")
    made = table(full_run, [lost, *others], FULL_GROUPS)
    rate = made.rows[0].rates["IF (default)"]
    assert (rate.successes, rate.valid, rate.failed) == (34, 49, 1)


def test_judgements_of_two_judges_or_of_another_file_are_refused(full_run):
    first, *others = judged(full_run, {"object": 1, "behavior": 1, "environment": 1})
    with pytest.raises(ValueError, match="one each"):
        table(full_run, [replace(first, judge="another"), *others], FULL_GROUPS)
    with pytest.raises(ValueError, match="judge it again"):
        table(full_run, [replace(first, video_sha256="0"), *others], FULL_GROUPS)


def test_pa_is_the_mean_of_both_physics_judges(full_run):
    from evaluation.benchmarks.videophy import PhysicsScore

    one = judged(full_run, {"object": 20, "behavior": 0, "environment": 29}, "dreamgen_physics")
    physics = {
        sample_id: PhysicsScore(sample_id, "", 0.9 if n % 2 else 0.1, 1) for n, sample_id in enumerate(full_run.samples)
    }
    row = table(full_run, one, FULL_GROUPS, physics).rows[0]
    assert row.rates["PA-I"].share == 0.4 and row.rates["PA-II"].share == 0.5 and row.pa == pytest.approx(0.45)
    assert row.pa_low < row.pa < row.pa_high
    none = {sample_id: PhysicsScore(sample_id, "", 0.1, 1) for sample_id in full_run.samples}
    alike = table(full_run, one, FULL_GROUPS, none).rows[1]  # behavior: neither judge finds any good
    assert (alike.pa, alike.pa_low, alike.pa_high) == pytest.approx((0, 0, interval(0, 47)[1]))


def test_the_command_exports_and_prints_a_table(full_run, tmp_path, capsys):
    write_lines(full_run.folder / JUDGEMENTS, judged(full_run, dict.fromkeys(FULL_GROUPS, 3)))
    out = str(tmp_path / "out")
    run = str(full_run.folder)
    assert command.main(["--config", config(tmp_path / "c", step="export", run=run, out=out)]) == 0
    assert command.main(["--config", config(tmp_path / "c", step="table", run=run, out=out)]) == 0
    assert "| object | 0.060" in capsys.readouterr().out
    rows = list(csv.reader((tmp_path / "out" / "dreamgen_following.csv").open()))
    assert rows[0] == ["video_path", "prompt", "prediction"] and len(rows) == 127
    assert sum(int(row[2]) for row in rows[1:]) == 9 and not any("," in row[1] for row in rows)
    assert all(Path(row[0]).is_file() for row in rows[1:])
    assert json.loads((tmp_path / "out" / "table.json").read_text())["rows"][0]["rates"]["IF (default)"]["valid"] == 50


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"step": "export", "run": "r", "stp": 1}, "stp"),
        ({"step": "judge", "run": "r"}, "step"),
        ({"step": "score", "run": "r", "judge": {"scale": 2}}, "judge.scale"),
        ({"step": "table", "run": "r", "groups": ["object", "object"]}, "once"),
    ],
)
def test_wrong_options_are_status_2(tmp_path, capsys, values, said):
    assert command.main(["--config", config(tmp_path / "c", **values)]) == 2
    assert said in capsys.readouterr().err


def test_a_run_that_is_not_there_is_status_1(tmp_path, capsys):
    assert command.main(["--config", config(tmp_path / "c", step="table", run=str(tmp_path / "none"))]) == 1
    assert "none" in capsys.readouterr().err


def test_real_videos_are_read_and_judged(dreamgen, tmp_path, judge_vlm):
    _, samples = read_benchmark(dreamgen)
    folder = layouts.run(tmp_path / "run", samples[:2], pixels=True)
    made = steps.score_step(DreamgenOptions(step="score", run=folder, judge=options()), judge_vlm)
    assert not any(one.failure for one in made) and made[0].frames == (0, 2, 4)
