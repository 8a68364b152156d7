"""A server that is wrong, for a moment or for good, rejects no frame and publishes nothing."""

import pytest

from curation.screening.options import ScreeningOptions
from curation.screening.screen import screen_frames
from curation.tasks.generate import write_tasks
from curation.tasks.options import TasksOptions
from curation.taxonomy.classify import label_tasks
from curation.taxonomy.options import TaxonomyOptions
from models.vlm.failures import TooManyFailures, TooManyMalformed
from models.vlm.protocol import VLMUnavailable
from models.vlm.tally import ENOUGH, Tally
from tests.curation.tasks.test_vlm_stages import sound_pairs

PATIENT = ScreeningOptions(max_failed_share=1.0)


def refusal(kind: str) -> VLMUnavailable:
    return VLMUnavailable(kind, "the server's words")


def screened(tmp_path, vlm, rows, **more) -> list[str]:
    return [row["reason"] for row in screen_frames(rows, tmp_path, vlm, tmp_path / "j.sqlite", PATIENT, 1, **more)]


@pytest.mark.parametrize("kind", ["http_400", "http_422", "no_logprobs", "connection", "malformed"])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_server_that_answers_nothing_stops_the_stage_however_few_ask(tmp_path, written_vlm, frame_rows, kind, count):
    vlm = written_vlm(lambda *_: refusal(kind))
    with pytest.raises(TooManyFailures, match=f"none of the {count} requests .*{kind}: the server's words"):
        screened(tmp_path, vlm, frame_rows(count))
    assert screened(tmp_path, written_vlm(lambda *_: 1.0), frame_rows(count)) == [""] * count


def test_without_log_probabilities_no_frame_is_lost_for_good(tmp_path, written_vlm, frame_rows):
    vlm = written_vlm(lambda q, media: refusal("no_logprobs") if media[0].data == b"picture 1" else 1.0)
    assert screened(tmp_path, vlm, frame_rows(3)) == ["", "vlm_unavailable", ""]


@pytest.mark.parametrize("kind", ["http_400", "http_413", "http_422"])
def test_a_refused_frame_is_rejected_where_the_server_answers_others(tmp_path, written_vlm, frame_rows, kind):
    vlm = written_vlm(lambda q, media: refusal(kind) if media[0].data == b"picture 1" else 1.0)
    assert screened(tmp_path, vlm, frame_rows(3)) == ["", f"vlm_{kind}", ""]


def test_a_server_that_goes_wrong_in_the_middle_rejects_nothing(tmp_path, written_vlm, frame_rows):
    """Another server takes the address over: it refuses what the first one answered."""
    answers = [1.0, 1.0, 1.0]
    vlm = written_vlm(lambda *_: answers.pop() if answers else refusal("http_400"))
    assert screened(tmp_path, vlm, frame_rows(5)) == ["", "", "", "vlm_unavailable", "vlm_unavailable"]
    assert screened(tmp_path, written_vlm(lambda *_: 1.0), frame_rows(5)) == [""] * 5


def test_a_frame_that_was_refused_for_a_moment_is_answered_at_the_end(tmp_path, written_vlm, frame_rows):
    moment = [refusal("http_400")]
    vlm = written_vlm(lambda q, media: moment.pop() if moment and media[0].data == b"picture 2" else 1.0)
    assert screened(tmp_path, vlm, frame_rows(4)) == [""] * 4


def test_what_earlier_shards_were_answered_counts_as_others(tmp_path, written_vlm, frame_rows):
    tally = Tally()
    screened(tmp_path, written_vlm(lambda *_: 1.0), frame_rows(2), tally=tally)
    vlm = written_vlm(lambda q, media: refusal("http_413") if media[0].data == b"picture 3" else 1.0)
    rows = frame_rows(5)
    assert screened(tmp_path, vlm, rows[3:], tally=tally) == ["vlm_http_413", ""]


@pytest.mark.parametrize("kind", ["truncated", "invalid_json", "wrong_schema", "empty"])
def test_too_many_answers_that_cannot_be_used_stop_the_run_and_are_asked_again(tmp_path, written_vlm, frame_rows, kind):
    """A limit of their own, counted over the shards of a run: 1 in 5 here, in shards of 30."""
    tally, rows = Tally(), frame_rows(90)

    def shard(vlm, number: int) -> list[dict]:
        part = rows[30 * number : 30 * (number + 1)]
        return write_tasks(part, tmp_path, vlm, tmp_path / f"{number}.sqlite", TasksOptions(), 4, tally=tally)

    def answer(request, media):
        return kind if int(media[0].data.split()[-1]) % 5 == 0 else sound_pairs(request, media)

    ill = written_vlm(answer)
    assert len(shard(ill, 0)) == 240, "30 answers say nothing yet"
    with pytest.raises(TooManyFailures, match=rf"12 of 60 answers of written/1 .*12 {kind}.*max_malformed_share"):
        shard(ill, 1)
    tally, well = Tally(), written_vlm(sound_pairs)
    assert {row["reason"] for row in shard(well, 1)} == {""}
    assert len(well.asked) == 6, "only what could not be used"


def test_a_small_run_of_which_nothing_can_be_used_stops_too(tmp_path, written_vlm, frame_rows):
    def written(count: int, share: float, vlm) -> list[dict]:
        options = TasksOptions(max_malformed_share=share)
        return write_tasks(frame_rows(count), tmp_path, vlm, tmp_path / f"{count}.sqlite", options, 4)

    ill = written_vlm(lambda *_: "truncated")
    assert {row["reason"] for row in written(4, 0.1, ill)} == {"truncated"}, "so few say nothing"
    with pytest.raises(TooManyFailures, match=r"5 of 5 answers .*5 truncated"):
        written(5, 0.1, ill)
    assert {row["reason"] for row in written(5, 1.0, ill)} == {"truncated"}, "as the recipe says"
    with pytest.raises(TooManyFailures, match=r"5 of 5"):
        written(5, 0.1, ill)
    assert {row["reason"] for row in written(5, 0.1, written_vlm(sound_pairs))} == {""}


def test_the_answers_of_earlier_shards_that_cannot_be_used_are_asked_again_too(tmp_path, written_vlm, frame_rows):
    rows, tally = frame_rows(60), Tally()

    def shard(vlm, number: int, tally: Tally) -> list[dict]:
        part = rows[30 * number : 30 * (number + 1)]
        return write_tasks(part, tmp_path, vlm, tmp_path / f"{number}.sqlite", TasksOptions(), 4, tally=tally)

    ill = written_vlm(lambda r, media: "empty" if int(media[0].data.split()[-1]) % 3 == 0 else sound_pairs(r, media))
    assert {row["reason"] for row in shard(ill, 0, tally)} == {"empty", ""}
    with pytest.raises(TooManyMalformed, match="20 of 60"):
        shard(ill, 1, tally)
    tally, well = Tally(), written_vlm(sound_pairs)
    assert {row["reason"] for number in (0, 1) for row in shard(well, number, tally)} == {""}
    assert len(well.asked) == 20


def test_a_shard_of_refused_frames_alone_is_finished_where_the_server_answers_others(tmp_path, written_vlm, frame_rows):
    tally, rows = Tally(), frame_rows(3)
    screened(tmp_path, written_vlm(lambda *_: 1.0), rows[:2], tally=tally)
    vlm = written_vlm(lambda q, media: refusal("http_400") if media[0].data == b"picture 2" else 1.0)
    assert screened(tmp_path, vlm, rows[2:], tally=tally) == ["vlm_http_400"]
    with pytest.raises(TooManyFailures, match=r"none of the 1 requests .*answered before failed too"):
        screened(tmp_path, written_vlm(lambda *_: refusal("http_400")), rows[2:], tally=tally)


@pytest.mark.parametrize("kind", ["no_answer", "refused"])
def test_one_frame_alone_does_not_tell_a_thinking_server_from_an_odd_picture(tmp_path, written_vlm, frame_rows, kind):
    """A shard of one frame: rejected for good only where the server answers others."""
    thinks, rows = written_vlm(lambda *_: refusal(kind)), frame_rows(2)
    said = f"none of the 1 requests .*{kind}: the server's words.* run them together with others"
    with pytest.raises(TooManyFailures, match=said):
        screened(tmp_path, thinks, rows[:1])
    assert screened(tmp_path, written_vlm(lambda *_: 1.0), rows[:1]) == [""], "the next run asks again"
    tally = Tally()
    screened(tmp_path, written_vlm(lambda *_: 1.0), rows[:1], tally=tally)
    assert screened(tmp_path, thinks, rows[1:], tally=tally) == [f"vlm_{kind}"]


def test_a_few_answers_that_cannot_be_used_are_rows_with_their_reason(tmp_path, written_vlm, frame_rows):
    def answer(request, media):
        return "invalid_json" if media[0].data == b"picture 7" else sound_pairs(request, media)

    rows = write_tasks(frame_rows(60), tmp_path, written_vlm(answer), tmp_path / "j.sqlite", TasksOptions(), 4)
    assert [row["reason"] for row in rows].count("invalid_json") == 8


def test_refusals_and_pairs_against_the_rules_are_not_malformed(tmp_path, written_vlm, frame_rows):
    def answer(request, media):
        return "refused" if int(media[0].data.split()[-1]) % 2 else {"pairs": [{"task": "x", "solution": "y"}] * 8}

    rows = write_tasks(frame_rows(60), tmp_path, written_vlm(answer), tmp_path / "j.sqlite", TasksOptions(), 4)
    assert len(rows) == 480 and "" not in {row["reason"] for row in rows}


def test_the_limit_holds_for_labels_too(tmp_path, written_vlm, frame_rows):
    vlm = written_vlm(sound_pairs)
    tasks = write_tasks(frame_rows(ENOUGH), tmp_path, vlm, tmp_path / "tasks.sqlite", TasksOptions(), 4)
    with pytest.raises(TooManyFailures, match=r"50 of 50 answers .*50 truncated"):
        label_tasks(tasks, written_vlm(lambda *_: "truncated"), tmp_path / "j.sqlite", TaxonomyOptions(), 4)
