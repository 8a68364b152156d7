"""A judging learns by one question, before the first video, that its server cannot answer; a finished one asks none."""

import pytest

from evaluation.judging.judge_runs import judge_runs
from evaluation.judging.video_judge import JudgeGone
from models.vlm import asking, preflight
from models.vlm.preflight import NotReady
from tests.evaluation.judging.told import judgements, options
from tests.models.vlm.chat_server import ChatServer
from tests.models.vlm.limits import end_by


def ahead(server, **more):
    given = options(server, **more)
    return given.model_copy(update={"vlm": given.vlm.model_copy(update={"preflight": True})})


def test_a_server_that_cannot_answer_is_asked_one_question_and_nothing_is_written(run, server):
    server.gives_logprobs = False
    with pytest.raises(NotReady, match="no_logprobs"):
        judge_runs([run], ahead(server))
    assert len(server.bodies) == 1 and not (run / "judgements.jsonl").exists()


def test_a_server_that_can_is_asked_ahead_once_and_a_finished_judging_needs_none(run, server):
    judge_runs([run], ahead(server))
    assert len(server.bodies) == 1 + 18
    with ChatServer() as gone:
        pass
    preflight.PASSED.clear()
    before = judgements(run)
    (result,) = judge_runs([run], ahead(gone))
    assert (result.asked, result.known) == (0, 18) and judgements(run) == before


def test_a_judge_that_goes_later_is_given_up_with_the_true_cause(run, monkeypatch):
    """Not with the time limit of a question that ended within its waits."""
    end_by(monkeypatch, asking)
    with ChatServer() as gone:
        pass
    vlm = options(gone).vlm.model_copy(update={"max_retries": 50, "backoff_s": 1.0})
    with pytest.raises(JudgeGone, match=r"4 requests in a row had no answer, the last one: connection: .*refused"):
        judge_runs([run], options(vlm=vlm, give_up_after=4, concurrency=2))
    assert all("connection refused" in one.failure or "not asked" in one.failure for one in judgements(run))
