"""Every video gets every answer or the reason why not, and no answer is asked for twice, whatever happened before."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from pydantic import ValidationError

from evaluation.judging.judge_runs import LOCK, judge_runs
from evaluation.judging.options import JudgingOptions
from evaluation.judging.video_judge import JudgeGone
from evaluation.records import MANIFEST, SAMPLES, Judgement, Sample, VideoRecord, read_lines, write_lines
from evaluation.videos import read_frames
from microworld.exact_judge import judge
from models.vlm.protocol import LogOdds, Usage, VLMUnavailable
from models.vlm.questions import NAMES
from storage.files import exclusive
from tests.evaluation.judging.judge_rig import change, make_run
from tests.models.vlm.chat_server import ChatServer, FixedScorer

PATIENT = {"retries": 0, "retry_wait_s": 0.0}


def options(server=None, **more) -> JudgingOptions:
    vlm = {"workers": 0}
    if server is not None:
        vlm = {"backend": "openai", "model": "m", "base_url": server.base_url, "max_retries": 0, "backoff_s": 0.01}
    return JudgingOptions(**{"vlm": vlm, **PATIENT, **more})


def judgements(folder, name="judgements.jsonl") -> list[Judgement]:
    return list(read_lines(folder / name, Judgement))


def failures(folder) -> dict[str, str]:
    """By video and question, the kind of each failure."""
    return {f"{one.video_id} {one.question}": one.failure.split(":")[0] for one in judgements(folder) if one.failure}


class Told:
    """Answers `answers(question, times asked before)`: a number, or an exception to raise."""

    model_id = "told"

    def __init__(self, answers):
        self.answers, self.calls, self.closed = answers, [], False
        self.running = self.most = 0

    async def log_odds(self, question, media):
        number = len(self.calls)
        self.calls.append((question, media))
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.002)
        self.running -= 1
        answer = self.answers(question, number)
        if isinstance(answer, Exception):
            raise answer
        return LogOdds(answer, -1.0, -1.0, True, Usage(), "Yes")

    async def aclose(self):
        self.closed = True


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


def test_an_answer_that_is_neither_yes_nor_no_is_malformed_and_keeps_what_was_said(run):
    with ChatServer(FixedScorer([-9.0] * 5 + [-0.1, -2.0]), tokenize=False, answer="maybe") as server:
        server.scorer.vocabulary = ("a", "b", "c", "d", "e", "maybe", "hm")
        judge_runs([run], options(server, questions=["task"]))
        assert set(failures(run).values()) == {"malformed"}
        one = judgements(run)[0]
        assert one.text == "maybe" and "neither yes nor no" in one.failure
        judge_runs([run], options(server, questions=["task"]))
        assert len(server.bodies) == 6


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


def test_a_judge_with_one_answer_to_everything_is_flagged(tmp_path):
    folder = make_run(tmp_path / "run", 20)
    judge_runs([folder], options(), Told(lambda question, n: 3.0 if question.name == "judge_agent" else n - 9.0))
    (flag,) = json.loads((folder / "judging.json").read_text())["constant"]
    assert (flag["question"], flag["yes"], flag["valid"], flag["same_log_odds"]) == ("agent", True, 20, True)


def test_a_judge_does_not_stand_beside_itself(run):
    judge_runs([run], options(), Told(lambda question, n: 1.0))
    before = (run / "judgements.jsonl").read_bytes()
    again = Told(lambda question, n: -1.0)
    with pytest.raises(ValueError, match=r"further judge 'again' is told;frames=8, the one that .*judgements\.jsonl"):
        judge_runs([run], options(name="again", variants=[1, 2]), again)
    assert not again.calls and again.closed
    assert (run / "judgements.jsonl").read_bytes() == before and not (run / "judgements.again.jsonl").exists()


def test_a_further_judge_that_scores_are_made_of_now_is_no_further_one_any_more(run):
    other = Told(lambda question, n: -1.0)
    other.model_id = "other"
    judge_runs([run], options(), Told(lambda question, n: 1.0))
    judge_runs([run], options(name="second"), other)
    lines = []
    judge_runs([run], options(), other, lines.append)
    assert lines[0] == "run: judgements.second.jsonl is of the same judge and is removed"
    assert not (run / "judgements.second.jsonl").exists() and judgements(run)[0].judge == "other;frames=8"


def test_the_file_of_another_benchmarks_questions_is_not_a_further_judges():
    from evaluation.benchmarks.dreamgen.asking import JUDGEMENTS

    with pytest.raises(ValidationError, match=rf"{JUDGEMENTS} is another benchmark's"):
        JudgingOptions(name=JUDGEMENTS.split(".")[1])


def test_several_runs_are_judged_together_each_into_its_folder(run, tmp_path):
    other = make_run(tmp_path / "other", 2, seed=8)
    lines = []
    results = judge_runs([run, other], options(), Told(lambda question, n: 1.0), lines.append)
    assert {one.folder: one.judgements for one in results} == {run: 18, other: 6}
    assert len(judgements(run)) == 18 and len(judgements(other)) == 6
    assert [line.split(":")[0] for line in lines] == sorted(["run", "other"])


def test_wordings_are_compared_in_the_summary(run):
    judge_runs([run], options(variants=[1, 2, 3]), Told(lambda question, n: 1.0 if question.version < 3 else -1.0))
    summary = json.loads((run / "judging.json").read_text())
    assert summary["agreement"]["task"]["disagreeing"] == 6 and summary["agreement"]["task"]["low"]
    assert set(summary["prompts"]) == {f"{question}.v{variant}" for question in NAMES for variant in (1, 2, 3)}


def test_folders_that_are_no_runs_are_refused_by_name(run, tmp_path):
    with pytest.raises(ValueError, match=r"manifest\.jsonl"):
        judge_runs([tmp_path], options())
    samples = list(read_lines(run / SAMPLES, Sample))
    write_lines(run / SAMPLES, samples[1:])
    with pytest.raises(ValueError, match="s000"):
        judge_runs([run], options())
    write_lines(run / SAMPLES, [*samples, samples[0]])
    with pytest.raises(ValueError, match="'s000' stands more than once"):
        judge_runs([run], options())
    write_lines(run / SAMPLES, samples)
    change(run, 1, video_id="s000-s0")
    with pytest.raises(ValueError, match="s000-s0"):
        judge_runs([run], options())


@pytest.mark.parametrize(
    "wrong, named",
    [
        ({"variants": [1, 9]}, "version 9"),
        ({"variants": [1, 1]}, "each is expected once"),
        ({"variants": []}, "variants"),
        ({"name": "../x"}, "'../x'"),
        ({"questions": ["beauty"]}, "beauty"),
        ({"frame": 3}, "frame"),
        ({"decoders": 0}, "decoders"),
    ],
)
def test_a_wrong_option_is_an_error_that_names_it(wrong, named):
    with pytest.raises(ValidationError, match=named):
        JudgingOptions(**wrong)


def command(folder, server, tmp_path):
    config = tmp_path / "judge.json"
    vlm = {"backend": "openai", "model": "m", "base_url": server.base_url}
    config.write_text(json.dumps({"runs": [str(folder)], "vlm": vlm, "concurrency": 2}))
    return [sys.executable, "-m", "evaluation.judge", "--config", str(config)]


def wait_for(condition, process):
    until = time.monotonic() + 120
    while not condition():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("number, status", [(signal.SIGKILL, -9), (signal.SIGTERM, 3)])
def test_a_judging_that_was_ended_asks_only_what_is_missing(run, tmp_path, repository, number, status):
    with ChatServer(delay_s=0.1) as server:
        first = subprocess.Popen(command(run, server, tmp_path), cwd=repository, stderr=subprocess.PIPE)
        wait_for(lambda: len(server.answered) >= 7, first)
        os.kill(first.pid, number)
        first.communicate()
        assert first.returncode == status
        assert not (run / "judgements.jsonl").exists()
        time.sleep(0.3)
        server.delay_s, before = 0, len(server.bodies)
        assert before < 18
        second = subprocess.run(command(run, server, tmp_path), cwd=repository, capture_output=True, text=True)
        assert second.returncode == 0, second.stderr
        asked = len(server.bodies) - before
        assert asked <= 18 - 5  # at most those in flight at the end (2) were lost
        assert f"{asked} asked, {18 - asked} known" in second.stderr
        assert len(judgements(run)) == 18 and not failures(run)
        third = subprocess.run(command(run, server, tmp_path), cwd=repository, capture_output=True, text=True)
        assert "0 asked, 18 known" in third.stderr and len(server.bodies) == before + asked


def test_a_judging_that_waits_for_another_one_says_so_and_ends_when_told(run, tmp_path, repository):
    with ChatServer() as server, exclusive(run / LOCK):
        waiting = subprocess.Popen(
            command(run, server, tmp_path), cwd=repository, stderr=subprocess.PIPE, text=True, bufsize=1
        )
        assert "run: another judging is at work on it" in waiting.stderr.readline()
        waiting.send_signal(signal.SIGTERM)
        assert waiting.wait(60) == 3 and "SIGTERM" in waiting.stderr.read()
    assert not (run / "judgements.jsonl").exists()


@pytest.mark.parametrize("concurrency", [2, 6, 9, 18])
def test_the_server_always_has_as_many_requests_as_it_may(run, concurrency):
    """It answers none before it has that many: a judging that could not keep it full would wait for ever."""

    class Full(Told):
        barrier = None

        async def log_odds(self, question, media):
            self.barrier = self.barrier or asyncio.Barrier(concurrency)
            await self.barrier.wait()
            return await super().log_odds(question, media)

    vlm = Full(lambda question, n: 1.0)
    (result,) = judge_runs([run], options(concurrency=concurrency, decoders=1, timeout_s=60), vlm)
    assert (result.asked, result.failures) == (18, {})


def test_no_more_videos_are_open_than_keep_the_server_full(tmp_path, monkeypatch):
    folder = make_run(tmp_path / "run", 30)
    decoded = []
    real = read_frames
    monkeypatch.setattr("evaluation.judging.looking.read_frames", lambda *given: decoded.append(1) or real(*given))
    most = 0

    def answer(question, n):
        nonlocal most
        most = max(most, len(decoded) - n // 3)
        return 1.0

    judge_runs([folder], options(concurrency=3, decoders=2), Told(answer))
    assert len(decoded) == 30
    assert most <= 1 + 2 * 2 + 1
