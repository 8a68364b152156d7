"""Seeds pooled, runs compared in pairs, and each claim's verdict, by numbers that are known beforehand."""

import json

import numpy as np
import pytest

from evaluation.report.reproduction import Reproduction
from stats.pooling import paired, pooled
from stats.rates import interval
from tests.training.reproduction.made_up_runs import TASKS, climbing, found, judged, run_of
from training.reproduction.charts import charts as drawn
from training.reproduction.files import CHARTS
from training.reproduction.report import head, markdown, reproduction_of
from training.reproduction.results import read_run, verdicts
from training.reproduction.runner import Record
from training.reproduction.verdicts import claims, decide

ONES, ZEROS = np.ones(100), np.zeros(100)


def share(won, n=100):
    return (np.arange(n) < won).astype(float)


def charts(found):
    return drawn(reproduction_of(found, "out"), found.usual())


def verdict(key, *runs):
    return next(one for one in claims(found(*runs)) if one.key == key)


def test_one_seed_has_wilsons_interval_and_several_the_same_width_with_their_spread():
    one = pooled([share(30)])
    assert (one.mean, one.low, one.high) == pytest.approx((0.3, *interval(30, 100)))
    three = pooled([share(20), share(30), share(40)])
    assert three.seeds == pytest.approx((0.2, 0.3, 0.4)) and three.tasks == 100
    assert (three.mean, three.low, three.high) == pytest.approx((0.3, *interval(30, 100)))


def test_failed_judgements_leave_the_denominator_and_nothing_judged_is_no_pool():
    values = share(30)
    values[90:] = np.nan
    assert pooled([values]).mean == pytest.approx(30 / 90) and pooled([values]).tasks == 90
    assert pooled([np.full(5, np.nan)]) is None
    assert paired([values[90:]], [share(3, 10)]) is None
    assert paired([values], [share(0)]).tasks == 90


def test_a_pair_of_single_runs_is_mcnemars_test():
    ours, theirs = share(30), np.roll(share(20), 5)  # 5..24: 10 only ours, none only theirs
    result = paired([ours], [theirs])
    assert result.gain == pytest.approx(0.1) and result.p_value == pytest.approx(2 * 0.5**10) and result.apart == 1
    assert 0.03 < result.low < 0.06 and 0.14 < result.high < 0.17
    back = paired([theirs], [ours])
    assert back.gain == pytest.approx(-0.1) and back.apart == -1


def test_seeds_that_overlap_are_not_apart():
    result = paired([share(50), share(20)], [share(30)])
    assert result.gain == pytest.approx(0.05) and result.apart == 0
    assert paired([share(50), share(40)], [share(30), share(39)]).apart == 1


def test_a_difference_is_shown_by_the_interval_and_by_every_seed():
    assert decide(paired([share(50)], [share(20)])) == "holds"
    assert decide(paired([share(20)], [share(50)])) == "does not hold"
    assert decide(paired([share(21)], [share(20)])) == "not decided"
    assert decide(paired([share(80), share(29)], [share(30)])) == "not decided", "one seed is below"
    assert decide(paired([share(20)], [share(20)]), margin=0.05) == "holds"
    assert decide(paired([share(30)], [share(60)]), margin=0.05) == "does not hold"
    assert decide(paired([share(5, 10)], [share(0, 10)])) == "not decided", "too few tasks"
    assert decide(None) == "not decided"


def test_an_average_is_a_videos_mean_verdict():
    log_odds = {
        "task": np.array([1.0, -1, 1]),
        "agent": np.array([1.0, 1, np.nan]),
        "consistency": np.array([-1.0, 1, 1]),
    }
    assert verdicts(log_odds, "task").tolist() == [1, 0, 1]
    assert verdicts(log_odds, "average")[:2] == pytest.approx([2 / 3, 2 / 3])
    assert np.isnan(verdicts(log_odds, "average")[2])


WMSD, DEMONSTRATOR_SHARES = {"name": "wmsd"}, (0.6, 0.85, 0.4)


@pytest.mark.parametrize(("end", "expected"), [(0.75, "holds"), (0.6, "not decided"), (0.4, "does not hold")])
def test_the_executor_against_the_demonstrator(end, expected):
    claim = verdict("wmsd_above_demonstrator", run_of(WMSD, {60: (end, 0.9, 0.5)}))
    assert claim.verdict == expected and f"wmsd {end:.3f}" in claim.numbers and "Demonstrator 0.600" in claim.numbers


def test_the_demonstrator_against_the_base():
    assert verdict("demonstrator_above_base", run_of(WMSD, {60: (0.7, 0.9, 0.5)})).verdict == "holds"
    weak = run_of(WMSD, {60: (0.7, 0.9, 0.5)}, demonstrator=(0.1, 0.5, 0.2))
    assert verdict("demonstrator_above_base", weak).verdict == "does not hold"


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"), [(0.6, 0.4, "holds"), (0.4, 0.6, "does not hold"), (0.5, 0.5, "not decided")]
)
def test_wmsd_against_rewards_alone(ours, theirs, expected):
    runs = [
        run_of(WMSD, {60: (ours, 0.9, 0.5)}),
        run_of({"name": "r", "method": "rl_only"}, {60: (theirs, 0.9, 0.5)}),
    ]
    assert verdict("wmsd_above_rl_only", *runs).verdict == expected


@pytest.mark.parametrize(("on", "expected"), [(0.5, "holds"), (0.9, "holds"), (0.1, "does not hold")])
def test_on_policy_is_not_below_off_policy(on, expected):
    runs = [
        run_of({"name": "on", "method": "on_policy_anchor"}, {60: (on, 0.8, 0.4)}),
        run_of({"name": "off", "method": "off_policy"}, {60: (0.5, 0.8, 0.4)}),
    ]
    assert verdict("on_policy_not_below_off_policy", *runs).verdict == expected


def sweep(**ends):
    """wmsd at beta_d by the end's task share: b0=.4 is beta_d 0."""
    return [
        run_of({"name": name, "changes": {"distill": {"beta_d": float(name[1:])}}}, {60: (end, end, end)})
        for name, end in ends.items()
    ]


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ({"b0": 0.3, "b1": 0.7, "b10": 0.4}, "holds"),
        ({"b0": 0.3, "b1": 0.5, "b10": 0.8}, "does not hold"),
        ({"b0": 0.7, "b1": 0.7, "b10": 0.4}, "not decided"),
        ({"b0": 0.3, "b10": 0.8}, "not decided"),
    ],
)
def test_the_sweep_has_its_best_inside(ends, expected):
    claim = verdict("interior_best_beta_d", *sweep(**ends))
    assert claim.verdict == expected
    if len(ends) > 2:
        assert "best inner 1 against 0" in claim.numbers


@pytest.mark.parametrize(("end", "expected"), [(0.7, "holds"), (0.66, "holds"), (0.5, "does not hold")])
def test_a_long_run_ends_within_the_interval_of_its_best(end, expected):
    long = {"name": "long", "steps": 300, "changes": {"held_out": {"every": 100}}}
    run = run_of(long, {100: (0.7, 0.9, 0.6), 200: (0.65, 0.9, 0.6), 300: (end, 0.9, 0.6)})
    claim = verdict("no_late_collapse", run_of(WMSD, {60: (0.6, 0.9, 0.6)}), run)
    assert claim.verdict == expected and "at step 100" in claim.numbers


def test_dmd_diverges_when_it_is_stopped_or_falls_below_its_start():
    dmd = {"name": "d", "method": "dmd", "changes": {"optimizer": {"lr": 1e-3}}}
    stopped = run_of(dmd, {}, record=Record("diverged", "step 8: the gradient norm is nan", 7))
    assert verdict("dmd_diverges", stopped).verdict == "holds"
    assert "stopped at step 8" in verdict("dmd_diverges", stopped).numbers
    assert verdict("dmd_diverges", run_of(dmd, {60: (0.0, 0.2, 0.1)})).verdict == "holds"
    assert verdict("dmd_diverges", run_of(dmd, {60: (0.5, 0.7, 0.4)})).verdict == "does not hold"


@pytest.mark.parametrize(
    ("task", "consistency", "expected"),
    [(0.9, 0.1, "holds"), (0.9, 0.9, "does not hold"), (0.3, 0.1, "does not hold"), (0.61, 0.1, "not decided")],
)
def test_reward_hacking_needs_both_halves(task, consistency, expected):
    on = run_of(WMSD, {60: (0.6, 0.9, 0.6)})
    off = run_of({"name": "off", "changes": {"rewards": {"consistency": 0.0}}}, {60: (task, 0.9, consistency)})
    assert verdict("reward_hacking", on, off).verdict == expected


def test_a_run_that_was_stopped_counts_with_its_last_scores_and_says_so():
    record = Record("diverged", "step 41: the gradient norm is 2e9", 40)
    only = run_of({"name": "r", "method": "rl_only"}, {20: (0.5, 0.9, 0.5), 40: (0.1, 0.3, 0.2)}, record=record)
    claim = verdict("wmsd_above_rl_only", run_of(WMSD, {60: (0.6, 0.9, 0.5)}), only)
    assert claim.verdict == "holds" and "r/0 was stopped at step 41: its scores are from step 40" in claim.numbers


def test_what_has_not_ended_decides_nothing():
    half = run_of(WMSD, {20: (0.9, 0.9, 0.9)}, record=Record("unfinished", "", 25))
    assert all(one.verdict == "not decided" for one in claims(found(half)) if one.key != "demonstrator_above_base")
    assert not charts(found(half))


def everything():
    return [
        *(run_of(WMSD, climbing((e, 0.9, 0.5)), seed) for seed, e in enumerate((0.7, 0.75))),
        run_of({"name": "rl", "method": "rl_only"}, climbing((0.5, 0.8, 0.4))),
        run_of({"name": "on", "method": "on_policy_anchor"}, climbing((0.5, 0.8, 0.4))),
        run_of({"name": "dmd", "method": "dmd"}, {}, record=Record("diverged", "a | <b> *c*", 3)),
        run_of({"name": "off", "changes": {"rewards": {"consistency": 0.0}}}, climbing((0.8, 0.9, 0.1))),
        run_of({"name": "long", "steps": 300}, climbing((0.7, 0.9, 0.5), 300, 50)),
        *sweep(b0=0.3, b1=0.6),
    ]


def test_the_report_has_every_run_and_reads_back_as_its_schema():
    result = reproduction_of(found(*everything()), "out")
    assert Reproduction.model_validate_json(result.model_dump_json()) == result
    assert result.complete and result.references_alike and result.held_out_tasks == TASKS
    (first, *_) = result.runs
    assert (
        first.curve[-1].task.n == TASKS and first.curve[-1].task.verdicts.count("1") == first.curve[-1].task.successes
    )
    text = markdown(result, ["scores.png"])
    assert all(f"| {run.name}/{run.seed} |" in text for run in result.runs) and "![scores](scores.png)" in text
    assert "a \\| &lt;b&gt; \\*c\\*" in text, "a reason is text, not markup"
    assert head(result).endswith("9 of 9 runs ended")
    with pytest.raises(ValueError, match="Extra inputs"):
        Reproduction.model_validate(json.loads(result.model_dump_json()) | {"more": 1})


def test_references_that_differ_between_runs_are_told():
    other = run_of({"name": "rl", "method": "rl_only"}, {60: (0.5, 0.8, 0.4)}, base=(0.5, 0.6, 0.3))
    result = reproduction_of(found(run_of(WMSD, {60: (0.7, 0.9, 0.5)}), other), "out")
    assert not result.references_alike and "got different judgements in some runs" in markdown(result)


@pytest.mark.slow
def test_charts_are_pngs_and_the_same_twice():
    runs = everything()
    first, second = charts(found(*runs)), charts(found(*runs))
    assert first == second and set(first) == {f"{name}.png" for name in CHARTS}
    assert all(data.startswith(b"\x89PNG") and len(data) < 100_000 for data in first.values())


def test_a_folder_is_read_without_the_line_that_a_kill_cut_off(tmp_path):
    run = run_of(WMSD, {60: (0.7, 0.9, 0.5)}).run
    run = type(run)(run.experiment, run.seed, run.options.model_copy(update={"output": str(tmp_path)}))
    assert read_run(run).end is None and read_run(run).points == {}

    def line(step, arm, value):
        odds = {name: [value, None] for name in judged((0.1, 0.1, 0.1))}
        return json.dumps({"step": step, "arm": arm, "log_odds": odds}) + "\n"

    arms = [line(0, "base under T", -1), line(0, "Demonstrator (base under D)", 1)]
    points = [line(10, "Executor under T", -1), line(10, "Executor under T", 2)]
    (tmp_path / "judged.jsonl").write_text("".join([*arms, *points]) + '{"step": 20, "arm"')
    data = read_run(run)
    assert list(data.points) == [0, 10] and data.end == 10
    assert data.points[10]["task"][0] == 2, "the second line of a step replaces the first"
    assert np.isnan(data.points[10]["task"][1]) and data.demonstrator["task"][0] == 1
