"""DreamGen's judge: which frames it sees, what fails and how, and that nothing is asked twice."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.benchmarks.dreamgen import steps
from evaluation.benchmarks.dreamgen.asking import JOURNAL, JUDGEMENTS, judge
from evaluation.benchmarks.dreamgen.looking import scaled, uniform_indices
from evaluation.benchmarks.dreamgen.options import DreamgenJudgeOptions, DreamgenOptions
from evaluation.benchmarks.dreamgen.released import instruction, read_benchmark
from evaluation.benchmarks.named_videos import read_run
from evaluation.judging.video_judge import JudgeGone
from evaluation.records import Judgement, read_lines
from models.vlm.protocol import Image, Video, VLMUnavailable
from storage.journal import Journal
from tests.evaluation.benchmarks import fake_judge, layouts
from tests.evaluation.benchmarks.dreamgen.dreamgen_rig import config, frames_of, options


@given(st.integers(1, 300), st.integers(2, 60))
def test_frames_are_those_of_the_published_script(total, wanted):
    expected = np.linspace(0, total - 1, wanted, dtype=int) if total >= wanted else np.arange(total)
    padded = [*expected, *[total - 1] * (wanted - len(expected))]
    ours = uniform_indices(total, wanted)
    assert list(ours) == padded and ours[0] == 0 and ours[-1] == total - 1


def test_stills_are_scaled_for_following_and_not_for_physics(dreamgen, tmp_path, judge_vlm):
    _, samples = read_benchmark(dreamgen)
    run = read_run(layouts.run(tmp_path / "run", samples[:1]))
    (made, *_) = [judge(run, options(shortest_side=1), vlm=judge_vlm, read=frames_of)]
    assert [one.question for one in made] == [
        "dreamgen_following",
        "dreamgen_following_strict",
        "dreamgen_physics",
    ]
    assert made[0].frames == (0, 29, 59) and made[0].times_s == (0.0, 7.25, 14.75) and made[0].yes and made[0].text
    by_name = {prompt.name: media for prompt, media in judge_vlm.asked}
    assert [type(one) for one in by_name["dreamgen_following"]] == [Image] * 3
    (video,) = by_name["dreamgen_physics"]
    assert isinstance(video, Video) and len(video.frames) == 3
    from media.pictures import decode_rgb

    assert decode_rgb(by_name["dreamgen_following"][0].data).size == (12, 6)
    assert decode_rgb(video.frames[0]).size == (40, 20)
    assert instruction(samples[0]) in judge_vlm.asked[0][0].text


def test_small_frames_are_not_scaled_to_nothing():
    assert scaled(np.zeros((1, 32, 64, 3), np.uint8), 0.3, 28).shape == (1, 28, 56, 3)
    assert scaled(np.zeros((1, 8, 8, 3), np.uint8), 0.3, 28).shape == (1, 8, 8, 3)


def test_a_judged_run_asks_nothing_again(dreamgen, tmp_path, judge_vlm):
    _, samples = read_benchmark(dreamgen)
    run = read_run(layouts.run(tmp_path / "run", samples))
    first = judge(run, options(), vlm=judge_vlm, read=frames_of)
    again = fake_judge.FakeJudge(lambda prompt: AssertionError("asked again"))
    assert judge(run, options(), vlm=again, read=frames_of) == first and not again.asked


def test_failures_are_kept_as_failures(dreamgen, tmp_path):
    _, samples = read_benchmark(dreamgen)
    run = read_run(layouts.run(tmp_path / "run", samples[:3], failed=["gr1_object-1"]))

    def read(path: Path, expected: int) -> np.ndarray:
        if path.name == "2-0.mp4":
            raise ValueError("empty: no frames")
        return frames_of(path, expected)

    refusing = fake_judge.FakeJudge(
        lambda prompt: VLMUnavailable("timeout", "no answer") if prompt.name == "dreamgen_physics" else -2.0
    )
    made = {(one.sample_id, one.question): one for one in judge(run, options(), vlm=refusing, read=read)}
    assert len(made) == 9
    assert made["gr1_object-0", "dreamgen_following"].yes is False
    assert made["gr1_object-0", "dreamgen_physics"].failure == "timeout: no answer"
    assert made["gr1_object-1", "dreamgen_following"].failure == "undecodable: no video was made: refused: no prompt"
    assert made["gr1_object-2", "dreamgen_following"].failure == "undecodable: empty: no frames"
    assert all(one.log_odds is None for one in made.values() if one.failure)


def test_judgements_of_other_seeds_stay(dreamgen, tmp_path, judge_vlm):
    _, samples = read_benchmark(dreamgen)
    folder = layouts.run(tmp_path / "run", samples[:2], seeds=(0, 1))
    for seed in (0, 1, 1):
        judge(read_run(folder, seed), options(), vlm=judge_vlm, read=frames_of)
    assert len(list(read_lines(folder / JUDGEMENTS, Judgement))) == 12


def test_a_judge_that_is_gone_is_not_asked_for_ever(dreamgen, tmp_path):
    _, samples = read_benchmark(dreamgen)
    run = read_run(layouts.run(tmp_path / "run", samples))
    dead = fake_judge.FakeJudge(lambda prompt: VLMUnavailable("connection", "refused"))
    with pytest.raises(JudgeGone, match="4 requests in a row"):
        judge(run, options(give_up_after=4, concurrency=1), vlm=dead, read=frames_of)
    made = list(read_lines(run.folder / JUDGEMENTS, Judgement))
    assert len(made) == 27 and {one.failure.split(":")[0] for one in made} == {"unavailable"}
    assert len(dead.asked) < 27
    judge(run, options(), vlm=fake_judge.FakeJudge(), read=frames_of)
    assert not any(one.failure for one in read_lines(run.folder / JUDGEMENTS, Judgement))


def test_the_server_is_given_as_many_requests_as_the_judge_may_have(dreamgen, tmp_path, monkeypatch):
    _, samples = read_benchmark(dreamgen)
    run = read_run(layouts.run(tmp_path / "run", samples[:1]))
    built = []
    monkeypatch.setattr(
        "evaluation.benchmarks.dreamgen.asking.build_vlm", lambda vlm: built.append(vlm) or fake_judge.FakeJudge()
    )
    judge(run, options(concurrency=64), read=frames_of)
    assert built[0].concurrency == 64


def test_what_the_model_itself_refused_is_not_asked_again(dreamgen, tmp_path):
    _, samples = read_benchmark(dreamgen)
    run = read_run(layouts.run(tmp_path / "run", samples[:1]))
    refusing = fake_judge.FakeJudge(lambda prompt: VLMUnavailable("refused", "0.6 for Maybe", "Maybe"))
    made = judge(run, options(), vlm=refusing, read=frames_of)
    assert made[0].failure.startswith("refused: ") and made[0].text == "Maybe"
    again = fake_judge.FakeJudge()
    assert judge(run, options(), vlm=again, read=frames_of) == made and not again.asked


CHILD = """
import asyncio, sys
from tests.evaluation.benchmarks import fake_judge
from evaluation.benchmarks.dreamgen import asking
class Slow(fake_judge.FakeJudge):
    async def log_odds(self, question, media):
        await asyncio.sleep(0 if len(self.asked) < 3 else 600)
        return await super().log_odds(question, media)
asking.build_vlm = lambda options: Slow()
from evaluation.benchmarks.dreamgen.__main__ import main
sys.exit(main(["--config", {config!r}]))
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 3), (signal.SIGKILL, -9)])
def test_a_stopped_judging_keeps_its_answers(dreamgen, tmp_path, repository, number, status):
    _, samples = read_benchmark(dreamgen)
    folder = layouts.run(tmp_path / "run", samples[:3], pixels=True)
    chosen = {"step": "score", "run": str(folder), "judge": {"frames": 3, "concurrency": 1}}
    code = CHILD.format(config=config(tmp_path / "c", **chosen))
    child = subprocess.Popen([sys.executable, "-c", code], cwd=repository)
    until = time.monotonic() + 120
    while time.monotonic() < until and child.poll() is None and answers(folder) < 3:
        time.sleep(0.2)
    child.send_signal(number)
    assert child.wait(60) == status
    kept = answers(folder)
    assert kept >= 3
    again = fake_judge.FakeJudge()
    steps.score_step(DreamgenOptions(**chosen), again)
    assert len(again.asked) == 9 - kept


def answers(folder: Path) -> int:
    if not (folder / JOURNAL).exists():
        return 0
    with Journal(folder / JOURNAL) as journal:
        return len(journal)


def test_kept_answers_are_held_to_the_judges_own_options(dreamgen, tmp_path):
    """Its min_mass, and that a side which a server did not return has no more than the other one leaves."""

    class Weighed(fake_judge.FakeJudge):
        async def log_odds(self, question, media):
            return replace(await super().log_odds(question, media), exact=False, mass=0.7)

    served = {"backend": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1"}
    _, samples = read_benchmark(dreamgen)
    run, vlm = read_run(layouts.run(tmp_path / "run", samples)), Weighed(lambda prompt: 2.0)
    for least, times in ((0.0, 1), (0.6, 1), (0.9, 2)):
        judge(run, options(vlm={**served, "min_mass": least}), vlm=vlm, read=frames_of)
        assert len(vlm.asked) == times * 3 * len(samples)
    weak, vlm = read_run(layouts.run(tmp_path / "weak", samples)), Weighed(lambda prompt: 0.5)  # 0.7 + 0.42
    for times in (1, 2):
        judge(weak, options(vlm=served), vlm=vlm, read=frames_of)
        assert len(vlm.asked) == times * 3 * len(samples)


def test_real_vlm_classes_take_stills_and_footage(dreamgen, tmp_path):
    """A tiny random Qwen, so the answers mean nothing; what is held is that both kinds of media reach a real model."""
    from models.vlm.options import VLMOptions
    from models.vlm.transformers_local import TransformersVLM
    from tests.models.vlm import tiny_qwen

    _, samples = read_benchmark(dreamgen)
    run = read_run(layouts.run(tmp_path / "run", samples[:1], pixels=True))
    model = tiny_qwen.build(tmp_path / "qwen", "qwen2_5_vl")
    vlm = TransformersVLM(VLMOptions(backend="transformers", model=str(model), device="cpu", min_mass=0.0))
    made = judge(run, DreamgenJudgeOptions(frames=49), vlm=vlm)
    assert not any(one.failure for one in made) and all(np.isfinite(one.log_odds) for one in made)
    assert [len(one.frames) for one in made] == [49, 49, 5] and made[0].judge.endswith(";frames=49@0.3")
