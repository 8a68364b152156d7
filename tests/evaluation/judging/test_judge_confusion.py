"""What a judge's errors do to a score, and how far they can be taken out of it."""

import asyncio
import math

import numpy as np
import pytest

from evaluation.judging.confusion import Confusion, confusion
from evaluation.judging.judge_runs import judge_runs
from evaluation.judging.options import JudgingOptions
from evaluation.records import Judgement, read_lines
from microworld.vlm import build_vlm
from models.vlm.asking import judge_prompt
from models.vlm.erring import Erring
from models.vlm.options import VLMOptions
from models.vlm.protocol import Image, LogOdds, Usage, Video
from stats.correction import Uninformative, corrected
from stats.rates import Rate
from tests.evaluation.judging.judge_rig import judgement, make_run
from training.options.rewards import JudgeOptions


def judged(answers: str, **fields) -> list[Judgement]:
    return [judgement(v, {"y": True, "n": False}.get(answer), **fields) for v, answer in enumerate(answers)]


def test_counts_and_what_follows_from_them():
    found = confusion(judged("yyyyynnnnn.y"), judged("yyyynyynnnyn"))["task"]
    assert (found.both_yes, found.missed, found.false_yes, found.both_no, found.failed) == (4, 2, 2, 3, 1)
    assert found.sensitivity.share == 4 / 6 and found.specificity.share == 3 / 5
    assert found.right.share == found.judged.share == 6 / 11 and found.shift == 0


def test_an_exact_judge_confuses_nothing():
    found = confusion(judged("yynn"), judged("yynn"))["task"]
    assert (found.sensitivity.share, found.specificity.share, found.shift) == (1, 1, 0)


def test_questions_are_apart_and_what_only_one_was_asked_is_counted():
    exact = judged("yynn") + judged("yn", question="agent")
    found = confusion(exact, judged("yyn") + judged("nyy", question="agent"))
    assert (found["task"].unmatched, found["agent"].unmatched) == (1, 1)
    assert found["agent"].missed == found["agent"].false_yes == 1


def test_what_cannot_be_matched_is_refused():
    with pytest.raises(ValueError, match="v0: the two judges saw different files"):
        confusion(judged("y"), judged("y", video_sha256="other"))
    with pytest.raises(ValueError, match="share no video"):
        confusion(judged("y"), judged("y", question="agent"))
    with pytest.raises(ValueError, match="v0: task in wording 1 appears twice"):
        confusion(judged("y") + judged("y"), judged("y"))


def test_rogan_and_gladens_estimate_undoes_what_the_judge_does():
    # 40 of 100 right, sensitivity .9, specificity .8: 36 + 12 are judged right.
    found = corrected(Rate(48, 100), Rate(90, 100), Rate(80, 100))
    assert found.share == pytest.approx(0.4) == found.raw
    assert found.informedness == pytest.approx(0.7) and not found.clipped
    assert found.low < 0.4 < found.high


def test_the_estimate_ends_at_its_limits():
    low = corrected(Rate(5, 100), Rate(90, 100), Rate(80, 100))
    assert (low.share, low.clipped) == (0, True) and low.raw == pytest.approx(-0.15 / 0.7)
    high = corrected(Rate(99, 100), Rate(90, 100), Rate(80, 100))
    assert (high.share, high.high, high.clipped) == (1, 1, True)
    with pytest.raises(Uninformative, match=r"0\.500 and specificity 0\.500"):
        corrected(Rate(5, 10), Rate(5, 10), Rate(5, 10))
    with pytest.raises(ValueError, match="specificity is based on no answers"):
        corrected(Rate(5, 10), Rate(5, 10), Rate(0, 0))


def test_the_interval_widens_with_worse_judges_and_fewer_known_answers():
    def width(judge_errs: int, known: int) -> float:
        of = Rate(known - known * judge_errs // 10, known)
        found = corrected(Rate(50, 100), of, of)
        return found.high - found.low

    assert width(1, 1000) < width(2, 1000) < width(3, 1000)
    assert width(2, 1000) < width(2, 100) < width(2, 20)
    exact = corrected(Rate(50, 100), Rate(10**6, 10**6), Rate(10**6, 10**6))
    assert (exact.low, exact.high) == pytest.approx(Rate(50, 100).interval, abs=0.005)


@pytest.mark.parametrize("share, se, sp", [(0.3, 0.9, 0.85), (0.6, 0.75, 0.8), (0.05, 0.95, 0.95)])
def test_the_interval_covers_the_right_share(share, se, sp):
    rng, trials = np.random.default_rng(1), 400
    held = 0
    for _ in range(trials):
        known = Rate(rng.binomial(60, se), 60), Rate(rng.binomial(60, sp), 60)
        found = corrected(Rate(rng.binomial(200, share * se + (1 - share) * (1 - sp)), 200), *known)
        held += found.low <= share <= found.high
    assert held >= 0.92 * trials


# The deliberately noisy judge.


def many_videos(count: int) -> list[Video]:
    return [Video((bytes([n % 256, n // 256]) * 9, b"second"), (0.0, 1.0)) for n in range(count)]


class OneVerdict:
    """A judge that says `exact` of every video, so that only the errors are seen."""

    model_id = "one verdict"

    def __init__(self, exact: float):
        self.exact = exact

    async def log_odds(self, question, media) -> LogOdds:
        return LogOdds(self.exact, -1.0, -1.0, True, Usage())


def noisy(exact: float, question=None, count: int = 1000, **noise) -> np.ndarray:
    async def ask():
        vlm = Erring(OneVerdict(exact), noise.get("judge_noise", 0.0), noise.get("judge_flip", 0.0))
        asked = question or judge_prompt("task", "[A]: go.")
        return [(await vlm.log_odds(asked, [video])).value for video in many_videos(count)]

    return np.array(asyncio.run(ask()))


def test_noise_has_the_spread_and_the_flips_have_the_share_that_were_asked_for():
    values = noisy(1.5, judge_noise=2.0)
    assert values.mean() == pytest.approx(1.5, abs=0.2) and values.std() == pytest.approx(2.0, abs=0.15)
    # An answer of 1.5 under noise of 2 changes with chance Phi(-0.75).
    assert (values <= 0).mean() == pytest.approx(0.5 * math.erfc(0.75 / math.sqrt(2)), abs=0.04)
    flipped = noisy(-3.0, judge_flip=0.2)
    assert set(flipped.tolist()) == {-3.0, 3.0} and (flipped > 0).mean() == pytest.approx(0.2, abs=0.04)


def test_the_same_judgement_is_spoiled_alike_and_another_wording_anew():
    first = noisy(0.0, count=50, judge_noise=1.0)
    assert first.tolist() == noisy(0.0, count=50, judge_noise=1.0).tolist()
    for other in (judge_prompt("task", "[A]: go.", 2), judge_prompt("agent", "[A]: go."), judge_prompt("task", "x")):
        again = noisy(0.0, other, count=50, judge_noise=1.0)
        assert abs(np.corrcoef(first, again)[0, 1]) < 0.4


def test_judges_of_different_noise_have_different_names_and_the_exact_one_keeps_its_own():
    ids = [build_vlm(VLMOptions(**noise)).model_id for noise in ({}, {"judge_noise": 0.5}, {"judge_flip": 0.5})]
    assert ids == [
        "scripted/microworld-1",
        "scripted/microworld-1;judge_noise=0.5",
        "scripted/microworld-1;judge_flip=0.5",
    ]


def test_any_judge_may_err_within_bounds_and_pictures_are_answered_as_before():
    assert VLMOptions(backend="transformers", model="m", judge_flip=0.1).judge_flip == 0.1
    for wrong in ({"judge_flip": 1.5}, {"judge_noise": -1.0}, {"judge_noise": math.inf}):
        with pytest.raises(ValueError, match="judge_"):
            VLMOptions(**wrong)
        with pytest.raises(ValueError, match="judge_"):
            Erring(OneVerdict(0.0), wrong.get("judge_noise", 0.0), wrong.get("judge_flip", 0.0))
    answer = asyncio.run(Erring(OneVerdict(2.0), flip=1.0).log_odds(judge_prompt("task", "x"), [Image(b"png")]))
    assert answer.value == 2.0


def test_training_recipes_name_the_noise_in_the_judges_block():
    options = JudgeOptions.model_validate({"vlm": {"judge_noise": 1.0, "judge_flip": 0.1}})
    assert build_vlm(options.vlm).model_id == "scripted/microworld-1;judge_noise=1;judge_flip=0.1"


@pytest.mark.slow
def test_the_noisy_judge_is_compared_with_the_exact_one_through_the_same_path(tmp_path):
    run = make_run(tmp_path / "run", 40)
    quiet = {"workers": 0}
    judge_runs([run], JudgingOptions(vlm=quiet))
    judge_runs([run], JudgingOptions(vlm=quiet | {"judge_flip": 0.25}, name="noisy"))
    exact, other = (list(read_lines(run / name, Judgement)) for name in ("judgements.jsonl", "judgements.noisy.jsonl"))
    found = confusion(exact, other)
    assert list(found) == ["task", "agent", "consistency"]
    wrong = sum(one.missed + one.false_yes for one in found.values())
    assert 0.15 < wrong / 120 < 0.35
    for one in found.values():
        assert one.compared == 40 and one.right.successes == sum(j.yes for j in exact if j.question == one.question)
    task: Confusion = found["task"]
    back = corrected(task.judged, task.sensitivity, task.specificity)
    assert back.share == pytest.approx(task.right.share)  # on the videos it was measured on, exactly
