"""The funnel and the token bill count every row once, in whatever files the rows lie."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.report.summaries import (
    ORDER,
    StageCount,
    funnel,
    gaps,
    lost_words,
    markdown_funnel,
    percent,
    token_totals,
)
from curation.schemas import SCREENING, TASKS
from curation.stages import VLM_STAGES
from storage.tables import write_table


def test_every_row_is_kept_or_has_a_reason(shared_collection):
    stages = funnel(shared_collection.tables())
    assert [stage.stage for stage in stages] == list(ORDER)
    for stage in stages:
        rows = [row for shard in shared_collection.rows[stage.stage] for row in shard]
        assert stage.rows_in == len(rows) == stage.kept + stage.rejected
        assert stage.rejected == sum(stage.reasons.values())
        for reason, count in stage.reasons.items():
            assert count == sum(row["reason"] == reason for row in rows)
        assert list(stage.reasons.values()) == sorted(stage.reasons.values(), reverse=True)


def test_counts_add_up_from_stage_to_stage_and_a_missing_shard_is_told(shared_collection):
    tables = shared_collection.tables()
    assert gaps(funnel(tables)) == []
    short = tables | {"quality": tables["quality"][:1]}
    told = gaps(funnel(short))
    assert len(told) == 2 and "frames kept" in told[0] and "quality has" in told[0] and "aesthetics has" in told[1]


def test_stages_without_tables_are_left_out_and_strange_ones_are_refused(shared_collection):
    assert funnel({}) == []
    assert funnel({"clips": []}) == []
    with pytest.raises(ValueError, match=r"\['clip'\].*clips"):
        funnel({"clip": shared_collection.tables()["clips"]})


def test_a_status_outside_the_contract_is_an_error(new_collection):
    collection = new_collection(clips=1)
    collection.rows["screening"][0][0]["status"] = "maybe"
    with pytest.raises(ValueError, match="screening: status 'maybe'"):
        funnel(collection.tables())


def test_a_table_without_the_columns_names_the_file_and_the_column(shared_collection, tmp_path):
    import pyarrow as pa

    path = tmp_path / "odd.parquet"
    write_table(path, [{"clip_id": "a"}], pa.schema([("clip_id", pa.string())]), {})
    with pytest.raises(ValueError, match=r"odd\.parquet has no column status, reason"):
        funnel({"clips": [path]})


def test_the_markdown_table_cannot_be_broken_by_a_reason():
    stage = StageCount("quality", 10, 7, 3, {"a|b\n<script>": 2, "": 1})
    text = markdown_funnel([stage])
    assert text.splitlines()[2] == "| quality (frames) | 10 | 7 | 3 | 70.0 % | a?b??script? 2, (none given) 1 |"


@given(st.floats(0, 1))
def test_a_share_never_reads_as_all_or_none_unless_it_is(share):
    text = percent(share)
    assert (text == "100.0 %") == (share == 1)
    assert (text == "0.0 %") == (share == 0)


def test_an_empty_stage_has_no_keep_rate():
    assert StageCount("tasks", 0, 0, 0, {}).keep_rate is None
    assert percent(None) == "-"


def test_the_token_bill_is_the_sum_of_the_rows(shared_collection):
    bill = token_totals(shared_collection.tables())
    assert set(bill) == {*VLM_STAGES, "total"}
    for stage in VLM_STAGES:
        rows = [row for shard in shared_collection.rows[stage] for row in shard]
        assert bill[stage]["prompt_tokens"] == sum(row["prompt_tokens"] for row in rows)
        assert bill[stage]["completion_tokens"] == sum(row["completion_tokens"] for row in rows)
        assert bill[stage]["requests"] == bill[stage]["frames"] == len({row["frame_id"] for row in rows})
        assert bill[stage]["models"] == ["scripted-test"]
    assert bill["total"]["prompt_tokens"] == sum(bill[stage]["prompt_tokens"] for stage in VLM_STAGES)


def test_a_frame_without_an_answer_is_no_request(tmp_path, make_row):
    rows = [
        make_row(SCREENING, frame_id=f"c_{index:08d}", vlm="m" if index else "", prompt_tokens=5) for index in range(3)
    ]
    write_table(tmp_path / "a.parquet", rows, SCREENING, {})
    entry = token_totals({"screening": [tmp_path / "a.parquet"]})["screening"]
    assert (entry["requests"], entry["frames"], entry["prompt_tokens"]) == (2, 3, 15)


@settings(max_examples=15, deadline=None)
@given(
    verdicts=st.lists(st.sampled_from(["", "too_long", "grammar"]), min_size=1, max_size=30), files=st.integers(1, 4)
)
def test_how_rows_are_cut_into_files_changes_no_count(tmp_path_factory, make_row, verdicts, files):
    folder = tmp_path_factory.mktemp("cut")
    rows = [
        make_row(TASKS, frame_id=f"c_{index:08d}", reason=reason, status="rejected" if reason else "kept")
        for index, reason in enumerate(verdicts)
    ]
    paths = [folder / f"{number}.parquet" for number in range(files)]
    for number, path in enumerate(paths):
        write_table(path, rows[number::files], TASKS, {})
    write_table(folder / "whole.parquet", rows, TASKS, {})
    assert funnel({"tasks": paths}) == funnel({"tasks": [folder / "whole.parquet"]})


def test_what_was_lost_is_said_by_stage_and_reason():
    none = StageCount("frames", 24, 24, 0, {})
    some = StageCount("quality", 1024, 1000, 24, {"blurred": 20, "too_dark": 4})
    rest = StageCount("screening", 1000, 0, 1000, {"unsuitable": 1000})
    assert lost_words([none, some, rest]) == (
        "Lost on the way: quality 24 of 1,024 frames (blurred 20, too_dark 4); "
        "screening 1,000 of 1,000 frames (unsuitable 1,000)."
    )
    assert lost_words([none]) == "Lost on the way: nothing."
    assert lost_words([StageCount("clips", 0, 0, 0, {})]) == "clips has no rows: the source has no videos."
    assert lost_words([]) == "clips has no rows: the source has no videos."
