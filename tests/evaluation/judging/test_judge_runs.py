"""Every video gets every answer, and no answer is asked for twice, whatever happened before."""

import pytest

from evaluation.judging.judge_runs import judge_runs
from evaluation.records import MANIFEST, SAMPLES, Sample, VideoRecord, read_lines
from evaluation.videos import read_frames
from microworld.exact_judge import judge
from models.vlm.protocol import VLMUnavailable
from models.vlm.questions import NAMES
from tests.evaluation.judging.told import Told, judgements, options


def test_the_microworlds_exact_judge_answers_as_it_does_about_the_same_frames(run):
    (result,) = judge_runs([run], options(variants=[1, 2]))
    assert (result.judgements, result.asked, result.failures) == (36, 36, {})
    tasks = {sample.sample_id: sample.task for sample in read_lines(run / SAMPLES, Sample)}
    verdicts = {
        record.video_id: judge(list(read_frames(run / record.path)), tasks[record.sample_id])
        for record in read_lines(run / MANIFEST, VideoRecord)
    }
    found = judgements(run)
    assert [(one.video_id, one.question, one.variant) for one in found] == [
        (video, question, variant) for video in verdicts for question in NAMES for variant in (1, 2)
    ]
    for one in found:
        value = getattr(verdicts[one.video_id], one.question)
        assert (one.log_odds, one.yes, one.text) == (value, value > 0, "yes" if value > 0 else "no")
        assert one.frames == tuple(range(8)) and one.times_s == tuple(i / 8 for i in range(8))
        assert one.judge == "scripted/microworld-1;frames=8" == result.judge
    assert {one.yes for one in found if one.question == "task"} == {True, False}
    assert len({one.prompt_hash for one in found}) == 6


def test_the_judge_is_shown_frames_at_stated_times_with_the_first_one_marked(run, server):
    judge_runs([run], options(server, frames=3, questions=["agent"], image_format="jpeg"))
    tasks = [sample.task for sample in read_lines(run / SAMPLES, Sample)]
    for body in server.bodies:
        *media, text = body["messages"][0]["content"]
        assert any(task in text["text"] for task in tasks)
        assert [part["text"] for part in media[::2]] == [
            "Video frame at 0.00 s (first frame):",
            "Video frame at 0.50 s:",
            "Video frame at 0.88 s:",
        ]
        assert all(part["image_url"]["url"].startswith("data:image/jpeg;base64,") for part in media[1::2])
    one = judgements(run)[0]
    assert (one.frames, one.times_s, one.judge) == ((0, 4, 7), (0.0, 0.5, 0.875), "openai:m;frames=3;jpeg")
    assert one.text == server.answer and one.exact


def test_a_finished_judging_asks_nothing_and_decodes_nothing(run, monkeypatch):
    vlm = Told(lambda question, n: VLMUnavailable("refused", "I would rather not.") if n == 4 else n - 8.5)
    judge_runs([run], options(), vlm)
    before = (run / "judgements.jsonl").read_bytes(), (run / "judging.json").read_bytes()
    assert len(vlm.calls) == 18 and vlm.closed
    monkeypatch.setattr("evaluation.judging.looking.read_frames", None)
    again = Told(lambda question, n: 1.0)
    (result,) = judge_runs([run], options(), again)
    assert (again.calls, result.asked, result.known, result.failures) == ([], 0, 18, {"refused": 1})
    assert ((run / "judgements.jsonl").read_bytes(), (run / "judging.json").read_bytes()) == before


def test_what_the_model_refused_is_asked_again_when_told_so(run):
    judge_runs([run], options(), Told(lambda question, n: VLMUnavailable("refused", "No.") if n < 5 else 1.0))
    (result,) = judge_runs([run], options(ask_failed_again=True), Told(lambda question, n: 2.0))
    assert (result.asked, result.known, result.failures) == (5, 13, {})


@pytest.mark.parametrize("concurrency, decoders", [(1, 1), (7, 2), (64, 8)])
def test_judgements_are_the_same_bytes_however_many_are_asked_at_once(run, rendered, concurrency, decoders):
    vlm = Told(lambda question, n: float(len(question.text) % 7) - 3)
    judge_runs([run], options(concurrency=concurrency, decoders=decoders), vlm)
    assert vlm.most <= concurrency
    text = (run / "judgements.jsonl").read_text()
    (run / "judgements.jsonl").unlink()
    judge_runs([run], options(name="other"), Told(vlm.answers))
    assert (run / "judgements.other.jsonl").read_text() == text
