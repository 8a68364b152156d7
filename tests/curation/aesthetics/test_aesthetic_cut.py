"""Scoring a shard: exactly the stated number is kept, and a re-run cuts the same."""

import json
import math

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curation.aesthetics.combine import Reference
from curation.aesthetics.options import AestheticsOptions, ScoreWeights
from curation.aesthetics.score import score_frames
from curation.schemas import AESTHETICS
from storage.tables import write_table

OPTIONS = AestheticsOptions()
# A few values only, so that ties, at the cut too, are common.
FRAMES = st.lists(
    st.tuples(st.sampled_from([1.0, 2.0, 3.0, 7.5]), st.sampled_from([20.0, 300.0]), st.sampled_from([40.0, 127.5])),
    min_size=1,
    max_size=40,
)
REUSED_FOLDER = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def shard(quality_row, tmp_path):
    """shard(frames, prefix) -> rows whose pictures hold their aesthetic value as text, for `table_scorer`."""

    def make(frames, prefix="a"):
        (tmp_path / "cut.json").unlink(missing_ok=True)
        return [
            quality_row(f"{prefix}_{i:03}", str(aesthetic).encode(), laplacian_var=sharpness, mean_luma=luma)
            for i, (aesthetic, sharpness, luma) in enumerate(frames)
        ]

    return make


def kept(rows):
    return {row["frame_id"] for row in rows if row["status"] == "kept"}


@REUSED_FOLDER
@given(frames=FRAMES, tenths=st.integers(1, 10))
def test_exactly_the_stated_number_is_kept_and_nothing_better_is_dropped(frames, tenths, shard, table_scorer, tmp_path):
    options = AestheticsOptions(keep_share=tenths / 10)
    rows = score_frames(shard(frames), tmp_path, options, tmp_path / "cut.json", table_scorer)
    assert len(kept(rows)) == math.ceil(len(frames) * tenths / 10 - 1e-9)
    ranking = sorted(rows, key=lambda row: (row["score"], row["frame_id"]), reverse=True)
    assert [row["status"] for row in ranking] == sorted(row["status"] for row in ranking)


@REUSED_FOLDER
@given(frames=FRAMES, data=st.data())
def test_the_order_of_the_rows_changes_no_byte(frames, data, shard, table_scorer, tmp_path):
    rows, cut = shard(frames), tmp_path / "cut.json"
    written = []
    for order in (rows, data.draw(st.permutations(rows))):
        cut.unlink(missing_ok=True)
        write_table(tmp_path / "t.parquet", score_frames(order, tmp_path, OPTIONS, cut, table_scorer), AESTHETICS, {})
        written.append(((tmp_path / "t.parquet").read_bytes(), cut.read_bytes()))
    assert written[0] == written[1]


@pytest.mark.slow
@REUSED_FOLDER
@given(frames=FRAMES, added=FRAMES)
def test_a_rerun_with_added_frames_keeps_every_earlier_row(frames, added, shard, table_scorer, quality_row, tmp_path):
    before, cut = shard(frames, "b"), tmp_path / "cut.json"
    first = score_frames(before, tmp_path, OPTIONS, cut, table_scorer)
    stored = cut.read_bytes()
    more = [
        quality_row(f"a_{i:03}", str(aesthetic).encode(), laplacian_var=sharpness, mean_luma=luma)
        for i, (aesthetic, sharpness, luma) in enumerate(added)
    ]
    second = score_frames(before + more, tmp_path, OPTIONS, cut, table_scorer)
    assert [row for row in second if row["frame_id"].startswith("b")] == first
    assert len(second) == len(first) + len(more)
    assert cut.read_bytes() == stored


def test_fewer_than_ten_frames_lose_none_and_ten_lose_the_worst(shard, table_scorer, tmp_path):
    frames = [(float(i), 100.0, 127.5) for i in range(10)]
    assert len(kept(score_frames(shard(frames[:9]), tmp_path, OPTIONS, tmp_path / "cut.json", table_scorer))) == 9
    rows = score_frames(shard(frames), tmp_path, OPTIONS, tmp_path / "cut.json", table_scorer)
    dropped = [row for row in rows if row["status"] != "kept"]
    assert [(row["frame_id"], row["reason"]) for row in dropped] == [("a_000", "below_cut")]
    assert dropped[0]["detail"].endswith("the cut at a_001")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (AestheticsOptions(recut=True), "recut"),
        (AestheticsOptions(keep_share=0.5), "options changed"),
        (AestheticsOptions(weights=ScoreWeights(aesthetic=1, sharpness=0, exposure=0)), "options changed"),
    ],
)
def test_other_options_make_a_new_cut_that_says_why(options, why, shard, table_scorer, tmp_path):
    rows, cut = shard([(float(i % 7), 10.0 * i, 127.5) for i in range(30)]), tmp_path / "cut.json"
    score_frames(rows, tmp_path, OPTIONS, cut, table_scorer)
    assert Reference.load(cut).why == "first"
    score_frames(rows[5:], tmp_path, options, cut, table_scorer)
    assert (Reference.load(cut).why, Reference.load(cut).population) == (why, 25)


def test_another_scorer_makes_a_new_cut_and_batch_size_does_not(shard, table_scorer, tmp_path):
    rows, cut = shard([(float(i), 10.0 * i, 127.5) for i in range(12)]), tmp_path / "cut.json"
    first = score_frames(rows, tmp_path, OPTIONS, cut, table_scorer)
    stored = cut.read_bytes()
    assert score_frames(rows, tmp_path, AestheticsOptions(batch_size=5), cut, table_scorer) == first
    assert table_scorer.batches == [12, 5, 5, 2]
    assert cut.read_bytes() == stored
    table_scorer.name = "table:2"
    assert {row["scorer"] for row in score_frames(rows, tmp_path, OPTIONS, cut, table_scorer)} == {"table:2"}
    assert Reference.load(cut).why == "scorer changed"


def test_unreadable_pictures_get_rows_and_no_place_in_the_population(shard, table_scorer, quality_row, tmp_path):
    rows = shard([(float(i), 100.0, 127.5) for i in range(10)])
    rows.append(quality_row("b_empty", b""))
    judged = score_frames(rows, tmp_path, OPTIONS, tmp_path / "cut.json", table_scorer)
    assert [row["reason"] for row in judged[10:]] == ["unreadable_image"]
    assert all(row["score"] is None and row["detail"] for row in judged[10:])
    assert (len(kept(judged)), Reference.load(tmp_path / "cut.json").population) == (9, 10)
    assert pa.Table.from_pylist(judged, schema=AESTHETICS).num_rows == 11


def test_nothing_readable_makes_no_reference(quality_row, table_scorer, tmp_path):
    judged = score_frames([quality_row("a", b"")], tmp_path, OPTIONS, tmp_path / "cut.json", table_scorer)
    assert [(row["status"], row["cut_score"]) for row in judged] == [("rejected", None)]
    assert score_frames([], tmp_path, OPTIONS, tmp_path / "cut.json", table_scorer) == []
    assert not (tmp_path / "cut.json").exists()


def test_a_frame_given_twice_is_an_error(shard, table_scorer, tmp_path):
    rows = shard([(1.0, 1.0, 1.0)]) * 2
    with pytest.raises(ValueError, match="'a_000' is given twice"):
        score_frames(rows, tmp_path, OPTIONS, tmp_path / "cut.json", table_scorer)


def test_real_pictures_are_scored_by_colourfulness_by_default(texture, quality_row, tmp_path):
    rows = [quality_row(f"a_{i:02}", texture(i, sigma=1 + i)) for i in range(12)]
    judged = score_frames(rows, tmp_path, OPTIONS, tmp_path / "cut.json")
    assert {row["scorer"] for row in judged} == {"colorfulness"}
    assert len(kept(judged)) == 11
    assert set(judged[0]) == set(AESTHETICS.names)
    assert pa.Table.from_pylist(judged, schema=AESTHETICS)["embedding"].null_count == 12


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scorer": "clip"}, "clip_weights is needed with scorer 'clip'"),
        ({"scorer": "clip", "clip_weights": "a"}, "head_weights is needed"),
        ({"clip_weights": "a"}, "clip_weights is not used with scorer 'colorfulness'"),
        ({"scorer": "beauty"}, "scorer"),
        ({"keep_share": 0}, "keep_share"),
        ({"keep_shares": 0.9}, "keep_shares"),
        ({"weights": {"beauty": 1}}, "beauty"),
    ],
)
def test_wrong_options_are_named_at_the_start(options, words):
    with pytest.raises(ValidationError, match=words):
        AestheticsOptions(**options)


def test_other_rules_make_a_new_cut(shard, table_scorer, tmp_path):
    rows, cut = shard([(float(i), 10.0 * i, 127.5) for i in range(12)]), tmp_path / "cut.json"
    score_frames(rows, tmp_path, OPTIONS, cut, table_scorer)
    content = json.loads(cut.read_bytes())
    del content["sha256"]  # files of then had no hash either
    unnoted = {name: content[name] for name in content if name != "rules"}  # from before they were noted: version 1
    for told, why in (
        (content, "first"),
        (content | {"rules": "of another day"}, "rules changed"),
        (unnoted, "rules changed"),
    ):
        cut.write_text(json.dumps(told))
        score_frames(rows[:5], tmp_path, OPTIONS, cut, table_scorer)
        assert Reference.load(cut).why == why
        assert Reference.load(cut).population == (12 if why == "first" else 5)
