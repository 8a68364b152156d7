"""What another threshold would keep is what filtering the rows again would keep."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.report.distributions import distributions
from curation.report.measures import BINS, MEASURES, QUANTILES
from curation.schemas import AESTHETICS, QUALITY, SCREENING
from pages import numbers, svg
from pages.charts import Histogram, Limit
from storage.tables import write_table

LIMITS = {
    "min_laplacian_var": 12.0,
    "min_mean_luma": 20.0,
    "max_mean_luma": 235.0,
    "max_black_ratio": 0.85,
    "max_white_ratio": 0.85,
}


def passes(row: dict, limits: dict) -> bool:
    return (
        row["laplacian_var"] >= limits["min_laplacian_var"]
        and limits["min_mean_luma"] <= row["mean_luma"] <= limits["max_mean_luma"]
        and row["black_ratio"] <= limits["max_black_ratio"]
        and row["white_ratio"] <= limits["max_white_ratio"]
    )


measured = st.fixed_dictionaries({
    "laplacian_var": st.floats(0, 500),
    "mean_luma": st.floats(0, 255),
    "luma_std": st.floats(0, 127),
    "black_ratio": st.floats(0, 1),
    "white_ratio": st.floats(0, 1),
})  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(measured, min_size=1, max_size=40))
def test_alternatives_agree_with_filtering_again(tmp_path_factory, make_row, rows):
    rows = [
        make_row(QUALITY, frame_id=f"c_{index:08d}", **values, status="kept" if passes(values, LIMITS) else "rejected")
        for index, values in enumerate(rows)
    ]
    path = tmp_path_factory.mktemp("m") / "a.parquet"
    write_table(path, rows, QUALITY, {"options": {"quality": LIMITS}})
    for found in distributions({"quality": [path]}, {}):
        assert found.conflicts == 0
        assert int(found.kept.sum() + found.rejected.sum()) == len(rows)
        for row in found.alternatives():
            option = found.measure.low if row["side"] == "at least" else found.measure.high
            if option in LIMITS:
                again = sum(passes(values, LIMITS | {option: row["threshold"]}) for values in rows)
                assert row["keeps"] == again
                assert row["current"] == (row["threshold"] == LIMITS[option])


def one(tables, column, options=None):
    return next(found for found in distributions(tables, options or {}) if found.measure.column == column)


def test_thresholds_come_from_the_table_before_the_facts_before_the_paper(tmp_path, make_row):
    row = make_row(QUALITY, frame_id="c_00000000", laplacian_var=50.0, mean_luma=100.0)
    write_table(tmp_path / "with.parquet", [row], QUALITY, {"options": {"min_laplacian_var": 30.0}})
    write_table(tmp_path / "without.parquet", [row], QUALITY, {})
    facts = {"quality": {"min_laplacian_var": 25.0}}
    assert one({"quality": [tmp_path / "with.parquet"]}, "laplacian_var", facts).low == 30.0
    assert one({"quality": [tmp_path / "without.parquet"]}, "laplacian_var", facts).low == 25.0
    assert one({"quality": [tmp_path / "without.parquet"]}, "laplacian_var").low == 12.0


def test_rows_that_contradict_the_thresholds_drawn_are_counted(tmp_path, make_row):
    row = make_row(QUALITY, frame_id="c_00000000", laplacian_var=5.0, mean_luma=100.0)
    write_table(tmp_path / "a.parquet", [row], QUALITY, {})
    assert one({"quality": [tmp_path / "a.parquet"]}, "laplacian_var").conflicts == 1


def test_a_failed_request_has_no_value_and_no_threshold_brings_it_back(tmp_path, make_row):
    rows = [
        make_row(
            SCREENING,
            frame_id=f"c_{index:08d}",
            log_odds=float(index),
            threshold=2.0,
            status="kept" if index >= 2 else "rejected",
        )
        for index in range(6)
    ]
    rows.append(
        make_row(
            SCREENING, frame_id="c_00000009", log_odds=None, threshold=2.0, status="rejected", reason="vlm_unavailable"
        )
    )
    rows.append(
        make_row(SCREENING, frame_id="c_00000010", log_odds=5.0, threshold=2.0, status="rejected", reason="other")
    )
    write_table(tmp_path / "a.parquet", rows, SCREENING, {})
    found = one({"screening": [tmp_path / "a.parquet"]}, "log_odds")
    assert (found.low, found.high, found.unmeasured, found.rows) == (2.0, None, 1, 8)
    assert found.keeps(2.0, None) == 4
    assert found.keeps(None, None) == 6
    assert found.keeps(5.5, None) == 0


def test_shards_with_cuts_of_their_own_contradict_nothing(tmp_path, make_row):
    """Aesthetics keeps the best of every shard: a row below another shard's cut is no mistake."""
    for shard, cut in enumerate((0.2, 0.6)):
        scores = [0.1 * index for index in range(1, 10)]
        rows = [
            make_row(
                AESTHETICS,
                frame_id=f"{shard}_{index:08d}",
                score=score,
                cut_score=cut,
                status="kept" if score >= cut else "rejected",
            )
            for index, score in enumerate(scores)
        ]
        write_table(tmp_path / f"{shard}.parquet", rows, AESTHETICS, {})
    found = one({"aesthetics": [tmp_path / "0.parquet", tmp_path / "1.parquet"]}, "score")
    assert found.conflicts == 0 and found.own_cuts == (0.2, 0.6)
    assert found.keeps(found.low, None) == found.kept.sum() == 12


def test_a_table_without_values_has_no_chart(tmp_path, make_row):
    write_table(tmp_path / "a.parquet", [make_row(SCREENING, frame_id="c", log_odds=None)], SCREENING, {})
    write_table(tmp_path / "b.parquet", [], SCREENING, {})
    assert distributions({"screening": [tmp_path / "a.parquet"]}, {}) == []
    assert distributions({"screening": [tmp_path / "b.parquet"]}, {}) == []


def test_infinities_and_zeros_are_drawn_at_the_ends(tmp_path, make_row):
    values = [0.0, 1e-9, 40.0, 1e7]
    rows = [
        make_row(QUALITY, frame_id=f"c_{index:08d}", laplacian_var=value, mean_luma=99.0)
        for index, value in enumerate(values)
    ]
    write_table(tmp_path / "q.parquet", rows, QUALITY, {})
    sharp = one({"quality": [tmp_path / "q.parquet"]}, "laplacian_var")
    assert sharp.kept.sum() == 4 and np.all(np.diff(sharp.edges) > 0) and sharp.edges[0] > 0
    rows = [
        make_row(SCREENING, frame_id=f"c_{index:08d}", log_odds=value)
        for index, value in enumerate([-math.inf, 1.0, math.inf])
    ]
    write_table(tmp_path / "s.parquet", rows, SCREENING, {})
    odds = one({"screening": [tmp_path / "s.parquet"]}, "log_odds")
    assert odds.kept.sum() == 3 and all(map(math.isfinite, odds.quantiles()))


def test_a_threshold_falls_between_two_bars(shared_collection):
    tables = shared_collection.tables()
    for column in ("laplacian_var", "log_odds"):
        found = one(tables, column)
        assert np.isclose(found.edges, found.low).any()
        assert len(found.edges) == BINS + 1


def test_the_page_gets_few_numbers_however_many_rows(tmp_path, make_row):
    rows = [make_row(SCREENING, frame_id=f"c_{index:08d}", log_odds=index / 100) for index in range(2000)]
    write_table(tmp_path / "a.parquet", rows, SCREENING, {})
    found = one({"screening": [tmp_path / "a.parquet"]}, "log_odds")
    assert len(found.quantiles()) == QUANTILES
    assert found.quantiles() == sorted(found.quantiles())


def test_every_option_that_a_measure_names_is_one_of_its_stage():
    from importlib import import_module

    named = [(measure.stage, name) for measure in MEASURES for name in (measure.low, measure.high) if name]
    assert len(named) == 5
    for stage, name in named:
        options = vars(import_module(f"curation.{stage}.options"))[f"{stage.capitalize()}Options"]
        assert name in options.model_fields


def test_a_metric_is_a_column_a_measurement_a_measure_and_its_limits_are_options_and_rules():
    """What is not made from curation/quality_metrics.py agrees with it."""
    from dataclasses import fields

    from curation.quality.measure import Quality
    from curation.quality.options import QualityOptions
    from curation.quality_metrics import METRICS, REASONS, RULES

    columns = [metric.column for metric in METRICS]
    assert columns == [field.name for field in fields(Quality)]
    assert columns == [name for name in QUALITY.names if name in columns]
    limits = [limit for metric in METRICS for _, limit in metric.limits]
    assert [limit.option for limit in limits] == list(QualityOptions.model_fields)
    assert [rule.reason for rule in RULES] == list(REASONS) and len(RULES) == len(limits)


def test_every_measure_names_columns_that_exist():
    from curation.report.summaries import UNITS

    schemas = {"quality": QUALITY, "aesthetics": AESTHETICS, "screening": SCREENING}
    for measure in MEASURES:
        assert measure.stage in UNITS and measure.column in schemas[measure.stage].names
        assert not measure.low_column or measure.low_column in schemas[measure.stage].names


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_and_inside(low, width):
    ticks = numbers.value_ticks(low, low + width, log=False)
    assert len(ticks) <= 7
    assert all(low - width * 1e-6 <= tick <= low + width * (1 + 1e-6) for tick in ticks)


@given(st.integers(1, 10**7))
def test_count_ticks_are_whole_and_never_above_the_top(top):
    for root in (False, True):
        ticks = numbers.count_ticks(top, root)
        assert ticks and len(ticks) <= 4 and ticks[-1] <= top and ticks == sorted(set(ticks))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12.0, "12"), (1234567.0, "1,234,567"), (0.85, "0.85"), (-2.5, "-2.5"), (1e-5, "0.00001")],
)
def test_numbers_read_as_people_write_them(value, text):
    assert numbers.number(value) == text


def test_a_chart_escapes_its_label_and_carries_no_style():
    chart = svg.histogram(
        Histogram('"><script>x</script>', np.arange(4.0), [("kept", np.array([1, 0, 2]))], (Limit(1.0, side="low"),))
    )
    assert "<script" not in chart and "style=" not in chart and "&lt;script&gt;" in chart
