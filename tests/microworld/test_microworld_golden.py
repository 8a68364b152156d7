"""Verdicts are a contract: a faster reading of pixels must not change what videos score.

verdicts.json holds task, agent and consistency of each golden video as the first reader found them, before it was made
faster. To renew it after a wanted change of the judge, run this file as a script.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from microworld.exact_judge import judge
from microworld.render import render_scene
from microworld.tracking import track
from microworld.vision import observe, observe_all, small
from tests.microworld.golden_videos import COUNT, golden_videos

pytestmark = pytest.mark.slow

FILE = Path(__file__).parent / "verdicts.json"


def verdicts() -> dict[str, list[float]]:
    found = {name: judge(list(video), task) for name, video, task in golden_videos()}
    return {name: [round(v, 7) for v in (one.task, one.agent, one.consistency)] for name, one in found.items()}


def test_two_hundred_videos_score_as_they_always_did():
    expected, found = json.loads(FILE.read_text(encoding="utf-8")), verdicts()
    assert found.keys() == expected.keys()
    a, b = (np.array([scores[name] for name in expected]) for scores in (expected, found))
    assert len(a) == COUNT
    assert 0.1 < (a > 0).mean() < 0.9, "the golden videos fail and pass"
    # Positions are read to a thousandth of a cell: another processor's last bit may move one by that.
    assert (np.abs(a - b) > 1e-6).mean() < 0.02
    assert ((a > 0) != (b > 0)).mean() < 0.005


def test_pictures_read_together_are_read_as_if_alone(draw):
    pictures = [render_scene(draw(seed)[0], 48) for seed in range(12)]
    assert observe_all([small(p) for p in pictures]) == [observe(p) for p in pictures]


def test_equal_frames_are_read_alike_wherever_they_stand(draw, act):
    scene, tasks = draw(3)
    frames = list(act(scene, tasks[0], 6, 32))
    once, twice = track(frames), track([one for frame in frames for one in (frame, frame.copy())])
    assert twice.positions[::2] == pytest.approx(once.positions)
    assert (twice.positions[::2] == twice.positions[1::2]).all()
    assert (twice.background[::2] == once.background).all()


if __name__ == "__main__":
    lines = [f"{json.dumps(name)}: {json.dumps(scores)}" for name, scores in verdicts().items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
