"""The judge answers the same whatever the order and the trouble on the way, and a failure is never a reward."""

import asyncio
import math
import threading
from dataclasses import replace

import numpy as np
import pytest

from microworld.scripted_vlm import ScriptedVLM
from models.vlm.failures import TooManyFailures
from models.vlm.protocol import VLMUnavailable
from models.vlm.questions import NAMES
from tests.training.rewards.table_vlm import FAST, TableVLM, clips, judged, names
from training.options.rewards import JudgeOptions
from training.rewards.judge import Judge
from training.rewards.judgements import Judgements
from training.rewards.protocol import check_failures


def test_every_question_is_answered_for_every_video():
    tasks = names(5)
    got = judged(TableVLM({task: [float(i) - 2] for i, task in enumerate(tasks)}), clips(5), tasks)
    assert list(got.log_odds) == list(NAMES)
    for question in NAMES:
        assert got.log_odds[question].dtype == np.float64
        assert got.log_odds[question].tolist() == [-2, -1, 0, 1, 2]
        assert not np.isnan(got.log_odds[question]).any()
    assert got.requests == 15
    assert got.last_error == ""


def test_a_call_that_fails_once_is_asked_again_and_counts():
    tasks = names(3)
    answers = {tasks[0]: [1.0], tasks[1]: [VLMUnavailable("http_500", "busy"), 2.0], tasks[2]: [math.nan, 3.0]}
    got = judged(TableVLM(answers), clips(3), tasks, questions=["task"])
    assert got.log_odds["task"].tolist() == [1, 2, 3]
    assert not np.isnan(got.log_odds["task"]).any()
    assert got.requests == 5


@pytest.mark.parametrize("bad", [VLMUnavailable("http_500", "it burns"), math.nan, math.inf, -math.inf])
def test_a_call_that_always_fails_is_masked_and_never_a_number(bad):
    tasks = names(4)
    vlm = TableVLM({task: [bad] if i == 2 else [1.0] for i, task in enumerate(tasks)})
    got = judged(vlm, clips(4), tasks, questions=["task"], retries=3)
    assert np.isnan(got.log_odds["task"]).tolist() == [False, False, True, False]
    assert vlm.calls.count(("judge_task", tasks[2])) == 4
    assert ("it burns" in got.last_error) == isinstance(bad, VLMUnavailable)
    assert ("finite" in got.last_error) == isinstance(bad, float)


def test_an_answer_that_does_not_come_in_time_has_failed():
    tasks = names(2)
    vlm = TableVLM({task: [1.0] for task in tasks}, delay=lambda task: 60 if task == tasks[1] else 0)
    got = judged(vlm, clips(2), tasks, questions=["agent"], retries=0, timeout_s=0.05)
    assert np.isnan(got.log_odds["agent"]).tolist() == [False, True]
    assert "no answer after 0.05 s" in got.last_error


def test_a_mistake_of_the_program_is_no_failure_of_the_judge():
    with pytest.raises(ZeroDivisionError, match="mine"):
        judged(TableVLM({names(1)[0]: [ZeroDivisionError("mine")]}), clips(1), names(1))


def test_too_many_failures_stop_the_run_with_counts_and_the_last_error():
    def check(lost: int, share: float) -> None:
        check_failures({"task": np.where(np.arange(10) < lost, np.nan, 1.0)}, share, "task: http_500: it burns")

    check(2, 0.2)
    check(1, 0.0)  # a single one proves nothing
    with pytest.raises(TooManyFailures, match=r"judgements failed: task 3 of 10, at most 20% may\. .*it burns"):
        check(3, 0.2)


def test_the_share_counts_each_question_by_itself():
    rewards = {"task": np.full(6, np.nan), "consistency": np.zeros(6)}
    with pytest.raises(TooManyFailures, match="task 6 of 6") as caught:
        check_failures(rewards, 0.5, "x")
    assert "consistency" not in str(caught.value)


@pytest.mark.parametrize("concurrency", [1, 3, 64])
def test_answers_that_come_in_any_order_give_the_same_judgements(concurrency):
    tasks = names(8)
    slow_first = TableVLM({task: [float(i)] for i, task in enumerate(tasks)}, lambda task: 0.02 / (1 + int(task[2])))
    got = judged(slow_first, clips(8), tasks, questions=["task"], concurrency=concurrency)
    assert got.log_odds["task"].tolist() == list(range(8))
    assert slow_first.most <= concurrency


def test_submission_returns_while_nothing_is_answered_yet_and_batches_share_the_limit():
    gate = threading.Event()
    tasks = names(4)

    class Gated(TableVLM):
        async def log_odds(self, question, media):
            await asyncio.to_thread(gate.wait)
            return await super().log_odds(question, media)

    vlm = Gated({task: [float(i)] for i, task in enumerate(tasks)})
    with Judge(JudgeOptions(**FAST, questions=("task",), concurrency=2), vlm) as judge:
        first = judge.submit(clips(2), tasks[:2], 8)
        second = judge.submit(clips(2, seed=1), tasks[2:], 8)
        assert not first.wait(0)
        assert not second.wait(0)
        gate.set()
        assert second.result().log_odds["task"].tolist() == [2, 3]
        assert Judgements.cat([first.result(), second.result()]).log_odds["task"].tolist() == [0, 1, 2, 3]
        assert vlm.most <= 2


def test_the_caller_may_overwrite_its_videos_after_submission(world):
    videos, tasks = world
    videos = videos.copy()
    with Judge(JudgeOptions(**FAST), ScriptedVLM()) as judge:
        expected = judge.submit(videos, tasks, 8).result()
        pending = judge.submit(videos, tasks, 8)
        videos[:] = 0
        assert pending.result().log_odds["task"].tolist() == expected.log_odds["task"].tolist()


def test_equal_videos_of_one_task_are_asked_about_once_and_all_answered():
    video, tasks = clips(1), names(2)
    vlm = TableVLM({tasks[0]: [4.0], tasks[1]: [5.0]})
    got = judged(vlm, np.repeat(video, 6, axis=0), [tasks[0]] * 3 + [tasks[1]] * 3, questions=["task"])
    assert got.log_odds["task"].tolist() == [4, 4, 4, 5, 5, 5]
    assert got.requests == len(vlm.calls) == 2


@pytest.mark.parametrize(
    "videos, tasks, fps, named",
    [
        ([clips(1)[0], clips(1, size=48)[0]], 2, 8, r"\(8, 32, 32, 3\), \(8, 48, 48, 3\)"),
        (clips(2).astype(np.float32), 2, 8, "float32"),
        (clips(2)[0], 8, 8, r"\[8, 32, 32, 3\]"),
        (clips(2)[:0], 0, 8, r"\[0, 8, 32, 32, 3\]"),
        (clips(2), 3, 8, "2 videos with 3 tasks"),
        (clips(2), 2, 0, "fps 0"),
        (clips(2), 2, math.nan, "fps nan"),
    ],
)
def test_what_is_no_batch_of_videos_is_refused_at_submission(videos, tasks, fps, named):
    with Judge(JudgeOptions(**FAST), TableVLM({})) as judge, pytest.raises(ValueError, match=named):
        judge.submit(videos, names(tasks), fps)


def test_torch_tensors_are_taken_as_they_are(world):
    import torch

    videos, tasks = world
    with Judge(JudgeOptions(**FAST), ScriptedVLM()) as judge:
        a, b = (judge.submit(v, tasks, 8).result() for v in (videos, torch.from_numpy(videos)))
    assert a.log_odds["task"].tolist() == b.log_odds["task"].tolist()


def test_the_least_mass_of_a_videos_answers_comes_with_its_rewards_and_in_the_metrics():
    from types import SimpleNamespace

    from training.rewards.scorers import JudgeScorer

    class Massive(TableVLM):
        async def log_odds(self, question, media):
            answer = await super().log_odds(question, media)
            return replace(answer, mass={"judge_task": 0.9, "judge_agent": 0.8}.get(question.name))

    tasks = names(3)
    thinks = VLMUnavailable("no_answer", "it says '<think>'", mass=1e-5)
    vlm = Massive({task: [thinks] if n == 1 else [1.0] for n, task in enumerate(tasks)})
    got = judged(vlm, clips(3), tasks)
    assert got.masses.tolist() == [0.8, 1e-5, 0.8]
    assert np.isnan(got.log_odds["task"]).tolist() == [False, True, False]
    scorer = JudgeScorer(None, ("task", "agent", "consistency"), 1.0, 8.0)
    done = SimpleNamespace(wait=lambda seconds: True, result=lambda: got)
    scores = scorer.collect(None, [done], lambda: None)
    metrics = scorer.summary({**scores.rewards, **scores.measured})
    assert metrics["judge/mass_min"] == 1e-5
    assert "judge/mass_min" not in scorer.summary(
        {**scores.rewards, "judge/mass": scores.measured["judge/mass"] * np.nan}
    )
