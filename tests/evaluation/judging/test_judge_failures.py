"""A judge that fails: each failure is kept as one of its kind, and a judge that is gone is not asked for ever."""

import json
import math

import pytest

from evaluation.judging.judge_runs import judge_runs
from evaluation.judging.video_judge import JudgeGone
from evaluation.videos import read_frames
from models.vlm.protocol import LogOdds, Usage, VLMUnavailable
from storage.journal import Journal
from tests.evaluation.judging.judge_rig import change, make_run
from tests.evaluation.judging.told import Told, failures, judgements, options
from tests.models.vlm.chat_server import ChatServer, FixedScorer


@pytest.mark.slow
@pytest.mark.parametrize(
    "behaviour, kind, said",
    [
        ("html", "malformed", "Welcome to the proxy"),
        ("no_choices", "malformed", "choices"),
        ("refusal", "refused", "I would rather not."),
        ("filtered", "refused", "content filter"),
        ("hang", "timeout", "2 s"),
        ("500", "unavailable", "http_500"),
        ("reset", "unavailable", "connection"),
        ("aborted", "unavailable", "interrupted"),
    ],
)
def test_a_failed_answer_is_kept_as_a_failure_of_its_kind(run, server, behaviour, kind, said):
    server.misbehave("good", behaviour)
    patience = 2 if behaviour == "hang" else 60
    vlm = {"backend": "openai", "model": "m", "base_url": server.base_url, "max_retries": 0, "timeout_s": patience}
    vlm |= {"preflight": False}
    judge_runs([run], options(vlm=vlm, questions=["task"], concurrency=1))
    failed = [one for one in judgements(run) if one.failure]
    assert [one.failure.split(":")[0] for one in failed] == [kind]
    assert said in failed[0].failure
    assert (failed[0].log_odds, failed[0].yes) == (None, None)
    assert failed[0].frames and failed[0].video_sha256  # it was looked at
    asked = len(server.bodies)
    judge_runs([run], options(server, questions=["task"]))
    assert len(server.bodies) - asked == (kind != "refused")  # of the transport's failures, and only those
    assert len(failures(run)) == (kind == "refused")


def test_an_answer_that_is_neither_yes_nor_no_is_malformed_keeps_what_was_said_and_is_asked_for_again(run):
    with ChatServer(FixedScorer([-9.0] * 5 + [-0.1, -2.0]), tokenize=False, answer="maybe") as server:
        server.scorer.vocabulary = ("a", "b", "c", "d", "e", "maybe", "hm")
        judge_runs([run], options(server, questions=["task"]))
        assert set(failures(run).values()) == {"malformed"}
        one = judgements(run)[0]
        assert one.text == "maybe" and "neither yes nor no" in one.failure
        assert (one.mass, one.log_odds, one.yes) == (0.0, None, None)
        # The server was told not to think: nothing of before stands in its way.
        server.scorer = FixedScorer()
        judge_runs([run], options(server, questions=["task"]))
        assert len(server.bodies) == 12
        assert not failures(run)


class Thinking(FixedScorer):
    """A judge that is about to think: yes and no have 3e-5 of the mass, in a ratio that looks like a verdict."""

    vocabulary = ("yes", "Yes", " yes", "no", "No", "<think>", "hm")

    def __init__(self):
        super().__init__([-11.0, -12.0, -13.0, -12.5, -13.0, -0.0001, -14.0])


@pytest.mark.parametrize("extensions", ["known", "ignored"])  # logprob_token_ids of vLLM, and the 20 likeliest
def test_a_judge_that_thinks_never_looks_like_coin_flips(run, extensions):
    with ChatServer(Thinking(), extensions=extensions, answer="<think>") as server:
        (result,) = judge_runs([run], options(server))
        assert result.failures == {"malformed": 18}
        assert all(one.log_odds is None and one.mass < 1e-4 for one in judgements(run))
        assert all("min_mass" in one.failure and "thinking" in one.failure for one in judgements(run))
        taken = options(server, vlm={**options(server).vlm.model_dump(), "min_mass": 0.0})
        (result,) = judge_runs([run], taken)
        assert not result.failures and all(one.mass < 1e-4 for one in judgements(run))
        (result,) = judge_runs([run], options(server))  # what a smaller min_mass took is not taken by a larger one
        assert result.failures == {"malformed": 18}


def test_a_judge_that_never_says_yes_or_no_is_not_asked_for_ever(run):
    with (
        ChatServer(Thinking(), answer="<think>") as server,
        pytest.raises(JudgeGone, match=r"5 requests in a row .*no_answer.*thinking"),
    ):
        judge_runs([run], options(server, give_up_after=5, concurrency=1))
    assert len(server.bodies) <= 6


def test_a_judge_whose_answers_are_all_malformed_is_not_asked_for_ever(run):
    """A proxy's page with status 200, say: it will not end while each video is asked about three times."""
    strange = Told(lambda question, n: VLMUnavailable("malformed", "Answer: Invalid JSON"))
    with pytest.raises(JudgeGone, match=r"5 requests in a row .*malformed: Answer"):
        judge_runs([run], options(give_up_after=5, concurrency=1), strange)
    assert len(strange.calls) <= 15


def test_a_server_that_returns_its_likeliest_token_alone_is_no_coin_flip(run, server):
    top = {"token": "yes", "logprob": math.log(0.99)}
    said = {"message": {"content": "yes"}, "logprobs": {"content": [{"token": "yes", "top_logprobs": [top]}]}}
    server.tokenize = False
    server.misbehave(*["raw=" + json.dumps({"choices": [said]})] * 6)
    judge_runs([run], options(server, questions=["task"]))
    assert all(one.yes and one.log_odds == pytest.approx(math.log(99)) for one in judgements(run))
    with Journal(run / "judging.sqlite") as journal:
        for key, kept in list(journal.items()):
            journal.put(key, kept | {"log_odds": 0.0, "yes": False})  # as they were kept before
    (result,) = judge_runs([run], options(server, questions=["task"]))
    assert (result.asked, result.known) == (6, 0)
    (result,) = judge_runs([run], options(server, questions=["task"]))
    assert (result.asked, result.known) == (0, 6)


def test_a_judge_without_log_probabilities_is_stopped_at_its_first_answer_which_names_the_option(run, server):
    server.gives_logprobs = False
    with pytest.raises(JudgeGone, match=r"no_logprobs.*answer: text"):
        judge_runs([run], options(server, concurrency=1, retries=2))
    assert len(server.bodies) == 1
    server.gives_logprobs = True
    (result,) = judge_runs([run], options(server))
    assert not result.failures


def test_answers_from_before_masses_were_kept_are_asked_again_and_stay_where_nobody_answers(run, server):
    said = []
    judge_runs([run], options(server, questions=["task"]))
    before = judgements(run)
    with Journal(run / "judging.sqlite") as journal:
        for key, kept in list(journal.items()):
            journal.put(key, {name: value for name, value in kept.items() if name != "mass"})
    with ChatServer() as dead:
        pass
    gone = options(server, questions=["task"], give_up_after=2, concurrency=1)
    gone = gone.model_copy(update={"vlm": gone.vlm.model_copy(update={"base_url": dead.base_url})})
    with pytest.raises(JudgeGone):
        judge_runs([run], gone)
    assert [(one.log_odds, one.mass, one.failure) for one in judgements(run)] == [(before[0].log_odds, None, "")] * 6
    (result,) = judge_runs([run], options(server, questions=["task"]), tell=said.append)
    assert (result.asked, result.known, result.unknown) == (6, 0, 6)
    assert any("6 answers were from before masses were kept" in line for line in said)
    assert judgements(run) == before and before[0].mass == pytest.approx(0.858, abs=1e-3)
    (result,) = judge_runs([run], options(server, questions=["task"]))
    assert (result.asked, result.known) == (0, 6)


def test_log_odds_that_are_no_number_and_texts_that_are_no_text_do_not_get_into_the_file(run):
    class Odd(Told):
        async def log_odds(self, question, media):
            answer = await super().log_odds(question, media)
            return LogOdds(answer.value, -1.0, -1.0, True, Usage(), "\ud800" + "x" * 5000)

    judge_runs([run], options(questions=["task"]), Odd(lambda question, n: float("nan") if n == 2 else 1.0))
    assert list(failures(run).values()) == ["malformed"]
    assert all(len(one.text) == 2000 and one.text.startswith("?x") for one in judgements(run))


def test_a_video_that_cannot_be_judged_fails_and_the_others_are_judged(run):
    (run / "videos" / "0.mp4").write_bytes(b"")
    (run / "videos" / "1.mp4").unlink()
    broken = b"\0" * 999
    (run / "videos" / "2.mp4").write_bytes(broken)
    from storage.files import sha256_bytes

    change(run, 0, sha256=sha256_bytes(b""))
    change(run, 2, sha256=sha256_bytes(broken))
    change(run, 3, frames=9)
    change(run, 4, failure="the first frame is unreadable", sha256="", frames=0)
    (result,) = judge_runs([run], options())
    assert (result.asked, result.failures) == (3, {"undecodable": 15})
    reasons = {one.video_id: one.failure for one in judgements(run) if one.failure}
    for video, said in enumerate(["empty", "No such file", "2.mp4", "8 frames, 9 are expected", "unreadable"]):
        assert reasons[f"s{video:03}-s0"].startswith("undecodable: ") and said in reasons[f"s{video:03}-s0"]
        assert str(run) not in reasons[f"s{video:03}-s0"]
    assert not judgements(run)[-1].failure


def test_a_file_that_is_not_the_manifests_is_not_judged(run):
    (run / "videos" / "0.mp4").write_bytes((run / "videos" / "1.mp4").read_bytes())
    (result,) = judge_runs([run], options())
    assert result.failures == {"undecodable": 3}
    assert "SHA-256" in judgements(run)[0].failure


def test_a_path_that_leaves_the_folder_is_refused(run):
    change(run, 0, path="../run/videos/0.mp4/../../../x.mp4")
    with pytest.raises(ValueError, match="leaves"):
        judge_runs([run], options())


def test_a_judge_that_is_gone_is_not_asked_for_ever_and_what_it_said_is_kept(run):
    server = ChatServer()
    with server:
        judge_runs([run], options(server, questions=["task"]))
    with pytest.raises(JudgeGone, match="4 requests in a row"):
        judge_runs([run], options(server, give_up_after=4, concurrency=2))
    found = judgements(run)
    assert [one.failure.split(":")[0] for one in found] == ["", "unavailable", "unavailable"] * 6

    # Whether some were never asked depends on how many had been prepared by then: the server is seen to be gone late.


def test_once_the_judge_is_gone_no_video_is_decoded_any_more(tmp_path, monkeypatch):
    folder = make_run(tmp_path / "run", 30)
    decoded = []
    real = read_frames
    monkeypatch.setattr("evaluation.judging.looking.read_frames", lambda *given: decoded.append(1) or real(*given))
    dead = Told(lambda question, n: VLMUnavailable("connection", "refused"))
    with pytest.raises(JudgeGone):
        judge_runs([folder], options(give_up_after=3, concurrency=3, decoders=1), dead)
    assert len(dead.calls) < 12 and len(decoded) < 12
    assert len(failures(folder)) == 90 and set(failures(folder).values()) == {"unavailable"}
