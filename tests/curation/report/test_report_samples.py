"""What the page shows of the rows: within its budget, dropped pairs, near-duplicates, removed images, leaks."""

import re

import numpy as np
import pytest

from curation.report.build import build_report
from curation.report.composition import word_counts
from curation.report.galleries import Caps
from curation.report.honesty import answered_by, kind_of
from curation.report.samples import hamming
from curation.schemas import TASKS
from storage.tables import write_table
from tests.curation.report.spoiled import FACTS


def test_the_page_stays_below_its_budget_and_says_what_it_left_out(shared_collection, page):
    found = page(shared_collection, budget=60_000)
    assert found.built["pictures_left_out"] > 0 and found.built["size_bytes"] < 60_000 + 200_000
    assert f"{found.built['pictures_left_out']} left out to keep the page small" in found.text


def test_caps_bound_what_is_shown_and_the_counts_tell_the_rest(shared_collection, page):
    found = page(shared_collection, caps=Caps(per_reason=2, reasons=1, clips=1, sample_frames=2, duplicates=1))
    assert "2 of 32 shown" in found.text
    assert "listed" in found.text and "1 of 2 listed" in found.text
    assert sum(tag == "article" for tag, _ in found.tags) == 2
    assert sum(attributes.get("class") == "twins" for tag, attributes in found.tags if tag == "figure") == 1


def test_dropped_pairs_are_struck_and_named(shared_collection, page):
    found = page(shared_collection)
    assert "dropped: too_long 120 words > 90" in found.text
    assert "<s>[Red disc]" in found.html


def test_near_duplicates_stand_side_by_side_with_their_distance(shared_collection, page):
    found = page(shared_collection)
    assert re.search(r"\d+ of 64 hash bits differ", found.text)
    assert hamming("0f", "00") == 4 and hamming("", "00") is None and hamming(None, "x") is None


def test_an_image_removed_on_request_is_shown_nowhere(new_collection, page):
    collection = new_collection(clips=2)
    before = page(collection).built["pictures"]
    for shard in collection.rows["worldtasks"]:
        for row in shard:
            row.update(status="rejected", reason="removed_on_request", detail="", split="")
    found = page(collection)
    assert found.built["pictures"] < before and "removed on request" in found.text
    left = {row["frame_id"] for shard in collection.rows["worldtasks"] for row in shard}
    shown = [attributes["alt"] for tag, attributes in found.tags if tag == "img" and "src" in attributes]
    assert not [alt for alt in shown if any(frame_id in alt for frame_id in left)]


@pytest.mark.slow
def test_pixels_that_may_not_be_redistributed_come_with_a_warning(new_collection, page, shared_collection):
    assert "Do not pass this page on" not in page(shared_collection).text
    collection = new_collection(clips=2)
    collection.rows["clips"][0][0]["redistributable"] = False
    assert "Do not pass this page on: the pixels of 1 of its clips" in page(collection).text


def test_a_leak_between_the_splits_is_shouted(new_collection, page):
    collection = new_collection(clips=2)
    rows = [row for row in collection.rows["worldtasks"][1] if row["status"] == "kept"]
    rows[0]["split"] = "bench"
    assert "Leak: 1 images are in both train and bench" in page(collection).text


@pytest.mark.parametrize("stages", [(), ("clips",), ("clips", "frames", "quality"), ("worldtasks",)])
def test_a_chain_that_has_not_run_to_its_end_has_a_report(shared_collection, page, stages):
    tables = {stage: paths for stage, paths in shared_collection.tables().items() if stage in stages}
    found = page(shared_collection, tables=tables, facts={})
    assert "Without a table yet" in found.text
    assert "No model has answered yet" in found.text


def test_empty_tables_have_a_report(new_collection, page):
    collection = new_collection(clips=1)
    collection.rows = {stage: [[], []] for stage in collection.rows}
    assert "0 of 0 clips kept" in page(collection).text


def test_the_page_says_who_answered_from_the_rows_not_from_the_configuration(shared_collection, page):
    found = page(shared_collection, facts=FACTS | {"vlm": "a-great-model"})
    assert "Answered by a scripted program, not a language model : scripted-test" in found.text
    bill = {"tasks": {"models": ["tiny-random-qwen", "org/Real-27B"]}, "total": {}}
    assert [answer.kind for answer in answered_by(bill, {})] == ["model", "tiny"]
    assert [answer.kind for answer in answered_by(bill, {"vlm": "org/Real-27B", "vlm_kind": "tiny"})] == [
        "tiny",
        "tiny",
    ]
    with pytest.raises(ValueError, match=r"vlm_kind.*'best'.*scripted"):
        answered_by(bill, {"vlm_kind": "best"})
    assert kind_of("microworld-v1") == "scripted"


def test_a_failed_build_leaves_the_last_report(shared_collection, tmp_path):
    out = tmp_path / "report.html"
    out.write_text("the last good one")
    with pytest.raises(ValueError):
        build_report({"nonsense": shared_collection.tables()["clips"]}, shared_collection.root, out, FACTS)
    assert out.read_text() == "the last good one" and list(tmp_path.iterdir()) == [out]


def test_words_are_counted_as_python_counts_them(tmp_path, make_row):
    texts = ["", "  ", "one", " two  words\nhere ", None, "x " * 500]
    rows = [make_row(TASKS, frame_id=f"c_{index:08d}", task=text, solution="") for index, text in enumerate(texts)]
    write_table(tmp_path / "a.parquet", rows, TASKS, {})
    found = word_counts([tmp_path / "a.parquet"])["task"]
    edges, (kept, dropped) = found.edges, (counts for _, counts in found.parts)
    expected = np.histogram([min(len((text or "").split()), edges[-1]) for text in texts], edges)[0]
    assert kept.tolist() == expected.tolist() and dropped.sum() == 0


def test_a_source_given_as_a_configuration_block_reads_as_words(shared_collection, page):
    found = page(shared_collection, facts=FACTS | {"source": {"kind": "microworld", "seed": 7, "clips": 40}})
    assert "Source: microworld (clips 40, seed 7)." in found.text.replace(" .", ".")
