"""A run's folder scored: the paper's Table 4 from its counts, both treatments of failures, read back."""

import json
from dataclasses import replace

import numpy as np
import pytest

from evaluation.checks import no_missing_video
from evaluation.records import PART, SCORES
from evaluation.scoring.judged_run import Incomplete, load_run
from evaluation.scoring.markdown import scores_markdown
from evaluation.scoring.options import ScoreOptions
from evaluation.scoring.published import demonstrator, published, table1, table4, traces
from evaluation.scoring.run_scores import score
from evaluation.scoring.score_file import ALIKE, read_scores
from evaluation.scoring.score_runs import score_runs
from stats.bootstrap import percentiles, resampled_means
from stats.rates import interval


@pytest.mark.parametrize("row", table4(), ids=lambda row: row.key)
def test_table_4_comes_out_of_its_counts_exactly(row, run_folder, counted):
    """Scores, denominators and failure rates against all 200, through the whole path from records to scores.json."""
    printed = next(one for one in published()["table4"]["rows"] if one["key"] == row.key)
    answers = np.stack([counted(rate.successes, rate.valid, 200) for rate in row.rates.values()], axis=1)
    folder = run_folder(row.key, answers).write()
    scores = score(load_run(folder, expected=200))
    for question, rate in row.rates.items():
        one, cell = scores.questions[question], printed[question]
        assert (one.successes, one.valid, one.total) == (cell["successes"], cell["valid"], 200)
        assert round(one.rate.value, 3) == cell["score"]
        assert round(100 * one.failure_rate.value, 1) == cell["failure_percent"]
        assert one.rate_as_zero.value == pytest.approx(rate.successes / 200)
        assert one.failures == ({"malformed": rate.failed} if rate.failed else {})
    assert scores.average.rate.value == pytest.approx(row.mean_of_rates)
    assert round(row.average.share, 3) == printed["average"]["score"]
    assert round(100 * row.average.failure_rate, 1) == printed["average"]["failure_percent"]


def test_the_paper_s_average_is_the_mean_of_rates_in_four_rows_of_eight():
    off = {row.key: row.average.share - row.mean_of_rates for row in table4()}
    assert {key for key, difference in off.items() if abs(difference) < 0.001} == {
        "ltx2", "ltx2_sft", "ltx2_wmsd", "ltx2_8step_wmsd",
    }  # fmt: skip
    assert off["hy15_wmsd"] == pytest.approx(-0.004, abs=5e-4)


def test_published_numbers_agree_with_each_other():
    assert [row["key"] for row in table1()] == [row.key for row in table4()]
    for row, counts in zip(table1(), table4(), strict=True):
        assert [row[name] for name in ("task", "agent", "consistency")] == [
            round(rate.share, 3) for rate in counts.rates.values()
        ]
        assert row["average"] == round(counts.average.share, 3)
    for question in ("average", "pickscore", "task", "agent", "consistency"):
        for steps, values in traces(question).values():
            assert len(steps) == len(values) and sorted(steps) == list(steps)
        assert 0 < demonstrator(question) < 1
    for row in published()["dreamgen"]["rows"]:
        for name in ("best_zero_shot", "best_sft", "wmsd_ltx2"):
            assert round(100 * row[name]["successes"] / row["samples"], 1) == row[name]["percent"]
    for dimension in ("task_type", "agent_category"):
        for row in published()["breakdown"][dimension]["rows"]:
            for share in filter(None, (row["base_percent"], row["wmsd_percent"])):
                successes = round(share * row["samples"] / 100)
                assert round(100 * successes / row["samples"], 1) == share
    with pytest.raises(ValueError, match="choose from average"):
        traces("speed")


def test_the_average_is_the_mean_of_rates_hard_and_soft(run_folder, drawn):
    answers = drawn(0, 60)
    answers[:4, 0, 1] = np.nan
    scores = score(load_run(run_folder("a", answers).write()))
    valid = ~np.isnan(answers)
    p_yes = np.where(valid, 1 / (1 + np.exp(-answers)), 0)
    counts = valid.sum(axis=(0, 1))
    assert scores.average.rate.value == pytest.approx(np.mean((answers > 0).sum(axis=(0, 1)) / counts))
    assert scores.average.soft.value == pytest.approx(np.mean(p_yes.sum(axis=(0, 1)) / counts))
    assert scores.average.soft_as_zero.value == pytest.approx(np.mean(p_yes.sum(axis=(0, 1)) / 60))
    for one in (scores.average.rate, scores.average.soft, *(q.soft for q in scores.questions.values())):
        assert one.low < one.value < one.high


def test_with_one_seed_a_rate_has_wilson_s_interval_with_several_that_of_samples(run_folder, drawn):
    once = score(load_run(run_folder("once", drawn(1, 50)).write())).questions["task"]
    assert (once.rate.low, once.rate.high) == pytest.approx(interval(once.successes, 50), abs=1e-8)
    answers = drawn(1, 50, seeds=4)
    several = score(load_run(run_folder("several", answers).write()))
    one = several.questions["task"]
    assert (several.videos, several.samples, several.seeds) == (200, 50, (0, 1, 2, 3))
    assert one.rate.method == one.rate_resampled.method == "bootstrap over samples"
    wins = (answers[..., 0] > 0).sum(axis=1)
    expected = percentiles(resampled_means(wins[:, None], np.full((50, 1), 4))[:, 0])
    assert (one.rate.low, one.rate.high) == pytest.approx(expected, abs=1e-8)
    naive = interval(one.successes, 200)
    assert one.rate.high - one.rate.low > 1.2 * (naive[1] - naive[0])


def test_scores_are_read_back_as_written_and_strictly(run_folder, drawn):
    folder = run_folder("a", drawn(2, 30), role="executor", step=40).write()
    options = ScoreOptions(runs=(str(folder),))
    ((scores,), _) = score_runs(options)
    assert read_scores(folder) == scores == score(load_run(folder))
    first = (folder / SCORES).read_bytes()
    score_runs(options)
    assert (folder / SCORES).read_bytes() == first
    held = json.loads(first)
    (folder / SCORES).write_text(json.dumps(held | {"extra": 1}))
    with pytest.raises(ValueError, match=r"scores\.json.*extra"):
        read_scores(folder)
    with pytest.raises(FileNotFoundError):
        read_scores(folder.parent)


def test_order_of_records_does_not_matter(run_folder, drawn):
    made = run_folder("a", drawn(3, 30, seeds=2))
    first = score(load_run(made.write()))
    rng = np.random.default_rng(0)
    for rows in (made.samples, made.videos, made.judgements):
        rng.shuffle(rows)
    again = score(load_run(made.write()))
    assert again.model_dump(exclude={"inputs"}) == first.model_dump(exclude={"inputs"})


def test_a_question_nobody_answered_has_no_score(run_folder, drawn):
    answers = drawn(4, 25)
    answers[..., 2] = np.nan
    folder = run_folder("a", answers).write()
    ((scores,), _) = score_runs(ScoreOptions(runs=(str(folder),)))
    one = scores.questions["consistency"]
    assert (one.rate.value, one.rate.low, one.rate.high, one.valid) == (None, 0, 1, 0)
    assert one.soft.value is None and scores.average.rate.value is None
    assert one.rate_as_zero.value == 0
    assert read_scores(folder) == scores


def test_categories_have_their_support_and_small_ones_are_flagged(run_folder, drawn):
    made = run_folder("a", drawn(5, 65))
    made.samples = [replace(one, task_type="combat" if n < 5 else "move") for n, one in enumerate(made.samples)]
    scores = score(load_run(made.write()))
    by_name = {(one.dimension, one.category): one for one in scores.breakdown}
    kinds = {("task_type", "combat"), ("task_type", "move"), ("agent_category", "first_person")}
    assert set(by_name) == kinds | {("agent_category", "human")}
    combat, move = by_name["task_type", "combat"].questions["task"], by_name["task_type", "move"].questions["task"]
    assert (combat.samples, combat.small, move.samples, move.small) == (5, True, 60, False)
    assert combat.successes + move.successes == scores.questions["task"].successes
    assert (move.rate.low, move.rate.high) == pytest.approx(interval(move.successes, 60), abs=1e-8)


def test_padded_generation_counts_each_sample_and_seed_once(run_folder, drawn):
    made = run_folder("a", drawn(6, 20))
    whole = score(load_run(made.write()))
    made.videos += made.videos[:8]
    made.judgements += made.judgements[:24]
    padded = score(load_run(made.write()))
    assert (padded.duplicates, padded.videos) == (8, 20)
    assert padded.questions == whole.questions


def test_a_judgement_asked_again_replaces_its_failure(run_folder, drawn):
    made = run_folder("a", drawn(7, 20))
    whole = score(load_run(made.write()))
    failed = replace(made.judgements[0], log_odds=None, yes=None, failure="unavailable: gone", frames=(), times_s=())
    made.judgements.insert(0, failed)
    assert score(load_run(made.write())).questions == whole.questions


def test_a_video_that_could_not_be_made_is_a_failure_of_every_question(run_folder, drawn):
    made = run_folder("a", drawn(8, 20))
    made.videos[3] = replace(made.videos[3], failure="image unreadable", sha256="", seconds=0.0)
    made.judgements = [one for one in made.judgements if one.video_id != made.videos[3].video_id]
    scores = score(load_run(made.write()))
    assert scores.no_video == 1
    assert all((one.valid, one.failed, one.failures) == (19, 1, {"no video": 1}) for one in scores.questions.values())
    assert scores.seconds.videos == 19


def test_wordings_beside_the_first_are_not_scored(run_folder, drawn):
    made = run_folder("a", drawn(9, 20))
    whole = score(load_run(made.write()))
    made.judgements += [
        replace(one, variant=2, prompt_hash="d" * 16, log_odds=9.0, yes=True) for one in made.judgements
    ]
    assert score(load_run(made.write())).questions == whole.questions


def test_a_part_that_was_asked_for_is_no_benchmark_that_lacks_samples(run_folder, drawn):
    whole, part = run_folder("whole", drawn(0, 30)), run_folder("part", drawn(1, 8), extra={PART: True})
    folders = [str(made.write()) for made in (whole, part)]
    scores, _ = score_runs(ScoreOptions(runs=folders, expected=30))
    assert [(one.samples, one.part) for one in scores] == [(30, False), (8, True)]
    assert no_missing_video(part.folder, expected=30).passed
    unasked = run_folder("unasked", drawn(1, 8)).write()
    with pytest.raises(Incomplete, match="has 8 samples, but 30 are needed"):
        score_runs(ScoreOptions(runs=[*folders, str(unasked)], expected=30))


@pytest.mark.parametrize(("answer", "edges"), [(-2.0, (0.0, 0.242)), (2.0, (0.758, 1.0))])
@pytest.mark.parametrize("seeds", [1, 2])
def test_samples_that_are_all_alike_have_wilson_s_interval_and_none_of_no_width(run_folder, answer, edges, seeds):
    """12 tasks: Wilson's interval of 0 of 12 is [0, z2 / (12 + z2)]. PickScore and seconds have no bounds, and none."""
    made = run_folder("a", np.full((12, seeds, 3), answer))
    made.videos = [replace(one, seconds=2.0) for one in made.videos]
    scores = score(load_run(made.write()))
    average = scores.average.rate
    assert (average.low, average.high) == pytest.approx(edges, abs=5e-4) and ALIKE in average.method
    for one in scores.questions.values():
        for rate in (one.rate, one.rate_resampled, one.rate_as_zero):
            assert (rate.low, rate.high) == pytest.approx(edges, abs=5e-4)
        assert one.soft.low < one.soft.value < one.soft.high and one.soft.high - one.soft.low > 0.2
    assert scores.average.soft.high - scores.average.soft.low > 0.2
    mean = scores.seconds.mean
    assert (mean.value, mean.low, mean.high) == (2.0, None, None)
    assert ALIKE in scores_markdown([scores])


def test_seeds_that_share_out_each_sample_alike_leave_an_interval_about_one_half(run_folder):
    """One of two seeds succeeds for each sample: no resample is ever another number."""
    answers = np.tile(np.array([[1.0], [-1.0]]), (10, 1, 3))
    one = score(load_run(run_folder("a", answers).write()))
    task = one.questions["task"].rate
    assert task.value == one.average.rate.value == 0.5
    assert (task.low, task.high) == pytest.approx(interval(5, 10), abs=1e-8)
    assert (one.average.rate.low, one.average.rate.high) == (task.low, task.high)
