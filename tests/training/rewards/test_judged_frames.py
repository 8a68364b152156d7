"""What the judge is shown: fixed frames with their times; who answers, and how its processes are replaced."""

import asyncio
import os
import signal

import numpy as np
import pytest
from pydantic import ValidationError

from microworld.exact_judge import judge
from microworld.scripted_vlm import ScriptedVLM
from models.vlm.asking import judge_prompt
from models.vlm.frames import encoded, frame_indices
from models.vlm.protocol import Video
from models.vlm.questions import NAMES
from tests.training.rewards.table_vlm import FAST, TableVLM, clips, judged, names
from training.options.rewards import JudgeOptions
from training.rewards.judge import Judge


def test_the_judge_sees_fixed_frames_with_their_times_and_lossless_pixels():
    seen = []

    class Looking(TableVLM):
        async def log_odds(self, question, media):
            seen.extend(media)
            return await super().log_odds(question, media)

    task, video = names(1)[0], clips(1, frames=25)
    judged(Looking({task: [0.0]}), video, [task], questions=["task"], frames=4)
    assert [round(t, 3) for t in seen[0].times_s] == [0.0, 1.0, 2.0, 3.0]
    import cv2

    shown = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1] for data in seen[0].frames]
    assert (np.stack(shown) == video[0, [0, 8, 16, 24]]).all()


@pytest.mark.parametrize("total, wanted", [(2, 8), (8, 8), (9, 8), (49, 8), (121, 5)])
def test_frames_are_spread_from_the_first_to_the_last(total, wanted):
    index = frame_indices(total, wanted)
    assert len(index) == len(set(index)) == min(total, wanted)
    assert (index[0], index[-1]) == (0, total - 1)
    assert np.ptp(np.diff(index)) <= 1


@pytest.mark.slow
def test_the_scripted_judge_gives_what_the_microworld_s_judge_gives_whoever_runs_it(world):
    videos, tasks = world
    expected = [judge(list(video), task) for video, task in zip(videos, tasks, strict=True)]
    for workers in (0, 1, 2):
        got = judged(None, videos, tasks, vlm={"workers": workers})
        for question in NAMES:
            assert got.log_odds[question].tolist() == [getattr(verdict, question) for verdict in expected]
    files = Video(encoded(videos[0], "png"), tuple(i / 8 for i in range(8)))
    alone = asyncio.run(ScriptedVLM().log_odds(judge_prompt("task", tasks[0]), [files])).value
    assert alone == expected[0].task


@pytest.mark.slow
def test_killed_judge_processes_are_replaced_and_change_nothing(world):
    videos, tasks = world
    vlm = ScriptedVLM(workers=2)
    with Judge(JudgeOptions(**FAST), vlm) as judge:
        expected = judge.submit(videos, tasks, 8).result()
        killed = vlm.pool.pids
        assert killed
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        got = judge.submit(videos[:, ::-1], tasks, 8).result()
        assert not any(np.isnan(values).any() for values in got.log_odds.values())
        assert not set(killed) & set(vlm.pool.pids)
        again = judge.submit(videos, tasks, 8).result()
    assert again.log_odds["task"].tolist() == expected.log_odds["task"].tolist()
    assert vlm.pool.pids == []


def test_a_closed_judge_takes_nothing_more_and_its_vlm_is_closed():
    vlm = TableVLM({names(1)[0]: [1.0]})
    judge = Judge(JudgeOptions(**FAST), vlm)
    judge.close()
    judge.close()
    assert vlm.closed
    with pytest.raises(RuntimeError, match="closed"):
        judge.submit(clips(1), names(1), 8)


@pytest.mark.parametrize(
    "options, named",
    [
        ({"frame": 8}, "frame"),
        ({"frames": 1}, "frames"),
        ({"image_format": "gif"}, "gif"),
        ({"questions": ()}, "questions"),
        ({"questions": ("task", "beauty")}, "beauty"),
        ({"questions": ("task", "task")}, "give each of them once"),
        ({"max_failed_share": 1.5}, "max_failed_share"),
        ({"concurrency": 0}, "concurrency"),
        ({"vlm": {"workers": -1}}, "workers"),
    ],
)
def test_a_wrong_option_is_an_error_that_names_it(options, named):
    with pytest.raises(ValidationError, match=named):
        JudgeOptions(**options)


@pytest.mark.parametrize("question", NAMES)
def test_the_prompts_hold_the_task_whatever_it_says_and_ask_for_yes_or_no(question):
    task = "[Man]: Take the $100 {bill} and leave."
    text = judge_prompt(question, task).text
    assert task in text
    assert text.endswith("Answer with one word, yes or no.")
