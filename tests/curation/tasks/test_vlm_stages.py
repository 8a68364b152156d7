"""Screening, tasks and taxonomy turn answers, good and bad, into rows; nothing is lost and nothing is asked twice."""

import asyncio
import random

import pyarrow as pa
import pytest
from jsonschema import Draft202012Validator

from curation.schemas import SCREENING, TASKS, TAXONOMY
from curation.screening.options import ScreeningOptions
from curation.screening.screen import screen_frames
from curation.tasks.generate import pairs_schema, write_tasks
from curation.tasks.options import TasksOptions
from curation.taxonomy.classify import AGENT_CATEGORIES, TASK_TYPES, label_tasks, labels_schema
from curation.taxonomy.options import TaxonomyOptions
from models.vlm.ask_all import VLMSession
from models.vlm.failures import TooManyFailures
from models.vlm.prompts import prompt, template
from models.vlm.protocol import VLMUnavailable
from storage.tables import write_table
from tests.curation.tasks.conftest import WrittenVLM

SOLUTION = "The red disc glides three cells to the right along the middle row, slows down and rests at the blue frame."
GONE = VLMUnavailable("timeout", "no answer in 60 s")


def sound_pairs(request, media):
    number = media[0].data.split()[-1].decode()
    pairs = [{"task": f"[Disc {number}]: Move to place {index}.", "solution": SOLUTION} for index in range(8)]
    return {"pairs": pairs}


def test_screening_keeps_frames_at_or_above_the_threshold(tmp_path, written_vlm, frame_rows):
    odds = {b"picture 0": 2.0, b"picture 1": 0.5, b"picture 2": 0.49, b"picture 3": -3.0}
    vlm = written_vlm(lambda question, media: odds[media[0].data])
    options = ScreeningOptions(threshold=0.5)
    rows = screen_frames(frame_rows(4), tmp_path, vlm, tmp_path / "j.sqlite", options, 2)
    assert [row["status"] for row in rows] == ["kept", "kept", "rejected", "rejected"]
    assert rows[3]["detail"] == "log-odds -3.00 < 0.5"
    assert {row["threshold"] for row in rows} == {0.5}
    pa.Table.from_pylist(rows, schema=SCREENING)
    assert set(rows[0]) == set(SCREENING.names)


def test_another_threshold_asks_nothing_again(tmp_path, written_vlm, frame_rows):
    vlm = written_vlm(lambda question, media: 1.0)
    for threshold in (0.0, 2.0):
        options = ScreeningOptions(threshold=threshold)
        rows = screen_frames(frame_rows(5), tmp_path, vlm, tmp_path / "j.sqlite", options, 2)
    assert len(vlm.asked) == 5
    assert {row["reason"] for row in rows} == {"unsuitable"}


def test_an_unanswered_frame_is_marked_unfinished_and_asked_again_next_time(tmp_path, written_vlm, frame_rows):
    down = [GONE]
    vlm = written_vlm(lambda question, media: down.pop() if down and media[0].data == b"picture 3" else 1.0)
    options = ScreeningOptions(max_failed_share=0.5)
    first = screen_frames(frame_rows(5), tmp_path, vlm, tmp_path / "j.sqlite", options, 1)
    assert [row["reason"] for row in first] == ["", "", "", "vlm_unavailable", ""]
    second = screen_frames(frame_rows(5), tmp_path, vlm, tmp_path / "j.sqlite", options, 1)
    assert [row["reason"] for row in second] == [""] * 5
    assert len(vlm.asked) == 6


def test_a_server_that_is_down_stops_the_stage_but_keeps_its_answers(tmp_path, written_vlm, frame_rows):
    vlm = written_vlm(lambda question, media: GONE if media[0].data != b"picture 0" else 1.0)
    with pytest.raises(
        TooManyFailures,
        match=r"2 of 10 requests to written/1 got no answer, but max_failed_share allows at most 1.*timeout",
    ):
        screen_frames(frame_rows(10), tmp_path, vlm, tmp_path / "j.sqlite", ScreeningOptions(), 1)
    well = written_vlm(lambda question, media: 1.0)
    screen_frames(frame_rows(10), tmp_path, well, tmp_path / "j.sqlite", ScreeningOptions(), 4)
    assert len(well.asked) == 9


def test_a_request_that_leads_nowhere_is_a_final_row_with_its_own_reason(tmp_path, written_vlm, frame_rows):
    """Asking again would give the same, so the shard is finished and the next run need not ask."""
    gone = VLMUnavailable("no_answer", "neither yes nor no among the tokens")
    vlm = written_vlm(lambda question, media: gone if media[0].data == b"picture 1" else 1.0)
    rows = screen_frames(frame_rows(6), tmp_path, vlm, tmp_path / "j.sqlite", ScreeningOptions(), 1)
    assert [row["reason"] for row in rows] == ["", "vlm_no_answer", "", "", "", ""]


def test_one_client_serves_all_shards_and_is_closed_at_the_end(tmp_path, written_vlm, frame_rows):
    built = []

    def build():
        built.append(written_vlm(lambda question, media: 1.0))
        return built[-1]

    with VLMSession(build) as session:
        assert not built
        for shard in range(3):
            journal = tmp_path / f"{shard}.sqlite"
            screen_frames(frame_rows(2), tmp_path, session.client, journal, ScreeningOptions(), 2, session.run)
    assert len(built) == 1 and built[0].closed


def test_every_frame_gives_eight_rows_whatever_became_of_its_request(tmp_path, written_vlm, frame_rows):
    def answer(request, media):
        number = int(media[0].data.split()[-1])
        return [sound_pairs(request, media), "truncated", "wrong_schema", "refused", GONE][number]

    options = TasksOptions(max_failed_share=0.5)
    rows = write_tasks(frame_rows(5), tmp_path, written_vlm(answer), tmp_path / "j.sqlite", options, 2)
    reasons = [row["reason"] for row in rows]
    assert reasons == [""] * 8 + ["truncated"] * 8 + ["wrong_schema"] * 8 + ["refused"] * 8 + ["vlm_unavailable"] * 8
    assert [row["task_index"] for row in rows] == list(range(8)) * 5
    assert set(rows[0]) == set(TASKS.names)
    pa.Table.from_pylist(rows, schema=TASKS)


def test_tokens_are_counted_once_a_request(tmp_path, written_vlm, frame_rows):
    rows = write_tasks(frame_rows(3), tmp_path, written_vlm(sound_pairs), tmp_path / "j.sqlite", TasksOptions(), 2)
    assert sum(row["prompt_tokens"] for row in rows) == 300
    assert sum(row["completion_tokens"] for row in rows) == 150


def test_rows_do_not_depend_on_the_order_in_which_answers_come(tmp_path, written_vlm, frame_rows):
    runs = [
        write_tasks(frame_rows(9), tmp_path, written_vlm(sound_pairs), tmp_path / f"{n}.sqlite", TasksOptions(), n)
        for n in (1, 4)
    ]
    assert runs[0] == runs[1]


def test_a_server_that_answers_in_any_order_gives_the_same_tables_to_the_byte(tmp_path, frame_rows):
    """Twelve requests in flight, answered as a shuffled order wills; screening as well as tasks."""
    tables = []
    for seed in range(4):
        times = random.Random(seed).sample([0.002 * place for place in range(12)], 12)

        class Shuffled(WrittenVLM):
            async def complete(self, prompt, media, schema, **more):
                await asyncio.sleep(times[int(media[0].data.split()[-1])])  # noqa: B023
                return await super().complete(prompt, media, schema, **more)

            async def log_odds(self, question, media):
                await asyncio.sleep(times[int(media[0].data.split()[-1])])  # noqa: B023
                return await super().log_odds(question, media)

        def answer(request, media):
            number = int(media[0].data.split()[-1])
            kinds = {3: "truncated", 5: "refused"}
            if request.name == "screening":
                return number - 4.0
            return kinds.get(number) or sound_pairs(request, media)

        vlm, folder = Shuffled(answer), tmp_path / str(seed)
        screened = screen_frames(frame_rows(12), tmp_path, vlm, folder / "s.sqlite", ScreeningOptions(), 12)
        pairs = write_tasks(frame_rows(12), tmp_path, vlm, folder / "t.sqlite", TasksOptions(), 12)
        for name, rows, schema in (("s", screened, SCREENING), ("t", pairs, TASKS)):
            write_table(folder / f"{name}.parquet", rows, schema, {})
        tables.append([(folder / f"{name}.parquet").read_bytes() for name in "st"])
    assert all(one == tables[0] for one in tables)


def test_a_screened_frame_keeps_the_mass_of_its_answer_and_of_the_lack_of_one(tmp_path, written_vlm, frame_rows):
    thinks = VLMUnavailable("no_answer", "it says '<think>'", mass=3e-5)
    vlm = written_vlm(lambda question, media: thinks if media[0].data == b"picture 1" else 1.0)
    rows = screen_frames(frame_rows(6), tmp_path, vlm, tmp_path / "j.sqlite", ScreeningOptions(), 1)
    assert [row["mass"] for row in rows[:3]] == [1.0, 3e-5, 1.0]
    assert (rows[1]["log_odds"], rows[1]["reason"]) == (None, "vlm_no_answer")


def kept_tasks(tmp_path, written_vlm, frame_rows, count):
    vlm = written_vlm(sound_pairs)
    return write_tasks(frame_rows(count), tmp_path, vlm, tmp_path / "tasks.sqlite", TasksOptions(), 2)


def test_labels_go_to_the_task_with_their_number(tmp_path, written_vlm, frame_rows):
    def answer(request, media):
        assert not media
        lines = request.fields["tasks"].splitlines()
        labels = [
            {"number": n, "agent_category": "object", "task_type": TASK_TYPES[n - 1]} for n in range(1, len(lines) + 1)
        ]
        return {"labels": labels[::-1]}

    tasks = kept_tasks(tmp_path, written_vlm, frame_rows, 2)
    rows = label_tasks(tasks, written_vlm(answer), tmp_path / "j.sqlite", TaxonomyOptions(), 2)
    assert [row["task_type"] for row in rows] == list(TASK_TYPES[:8]) * 2
    assert [row["task"] for row in rows] == [row["task"] for row in tasks]
    assert set(rows[0]) == set(TAXONOMY.names)


def test_a_task_without_a_label_is_kept_and_says_why(tmp_path, written_vlm, frame_rows):
    tasks = kept_tasks(tmp_path, written_vlm, frame_rows, 1)
    rows = label_tasks(tasks, written_vlm(lambda *_: "truncated"), tmp_path / "j.sqlite", TaxonomyOptions(), 1)
    assert {(row["status"], row["reason"], row["agent_category"]) for row in rows} == {
        ("kept", "truncated", "unlabelled")
    }


def test_the_schemas_are_valid_and_demand_the_exact_number():
    for schema in (pairs_schema(8), labels_schema(8)):
        Draft202012Validator.check_schema(schema)
    check = Draft202012Validator(pairs_schema(8))
    pair = {"task": "t", "solution": "s"}
    assert check.is_valid({"pairs": [pair] * 8})
    for wrong in ({"pairs": [pair] * 7}, {"pairs": [pair] * 9}, {"pairs": [{"task": "t"}] * 8}, {}):
        assert not check.is_valid(wrong)


def test_prompts_name_what_the_schema_allows():
    text = template("taxonomy")[1]
    assert all(f"- {name}:" in text for name in AGENT_CATEGORIES + TASK_TYPES)


def test_a_prompt_with_braces_or_dollars_in_its_fields_stays_as_written():
    filled = prompt("taxonomy", count="1", tasks="1. [A]: $count ${x} {y} <b>.")
    assert "$count ${x} {y} <b>." in filled.text


def test_an_unknown_prompt_version_is_named():
    with pytest.raises(ValueError, match="version 99"):
        prompt("tasks", 99, count="8")
