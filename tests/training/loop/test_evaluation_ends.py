"""Held-out evaluation of a run: which tasks, how a signal ends it on all processes, and that a resumed run makes it."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.vlm.protocol import VLMUnavailable
from tests.training.tiny_run import Brightness, metrics_of
from training.conditions.store import Pair
from training.loop import checkpoint_files
from training.loop.evaluation import Interrupted
from training.loop.held_out import EXECUTOR, HeldOut
from training.loop.held_out_scores import HeldOutScores
from training.stopping import Stopped
from training.train import main
from training.world import World


def held_out(trainer, world: World = World()) -> HeldOut:
    return HeldOut(trainer.options, trainer.predictor, trainer.store, trainer.parts.judge, world)


def signal_at_video(trainer, monkeypatch, number: int, at: int = 1) -> list[int]:
    """Sends this process a signal while the video `at` of those to come is decoded; the list counts them."""
    real, made = trainer.model.decode, []

    def decode(x):
        made.append(len(x))
        if len(made) == at:
            os.kill(os.getpid(), number)
        return real(x)

    monkeypatch.setattr(trainer.model, "decode", decode)
    return made


class Massive(Brightness):
    """Its answers have a mass; one task's second question is answered with a thought."""

    async def log_odds(self, question, media):
        answer = await super().log_odds(question, media)
        if question.name == "judge_task":
            return replace(answer, mass=0.9)
        if question.fields["task"] == self.task:
            raise VLMUnavailable("no_answer", "it says '<think>'", mass=1e-5)
        return answer  # of no known mass


# -- which tasks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tasks", "places"),
    [
        (12, list(range(12))),
        (200, list(range(12))),
        (4, [1, 4, 7, 10]),
        (8, [0, 2, 3, 5, 6, 8, 9, 11]),
        (1, [6]),
    ],
)
def test_fewer_tasks_are_taken_at_an_even_stride(tiny_bench, tmp_path, monkeypatch, tasks, places):
    """Of 12, the last 3 of combinations that training never names: a quarter of them, of 4 and 8 as well."""
    trainer = tiny_bench.trainer(tmp_path / "run", {"held_out": {"tasks": tasks}})
    pairs = [Pair(str(n), "", "", "", "", "", "") for n in range(12)]
    monkeypatch.setattr(trainer.store, "pairs", lambda split: pairs)
    ranks = [held_out(trainer, World(rank, 2)) for rank in (0, 1)]
    for each in ranks:
        assert [int(pair.pair_id) for pair in each.pairs] == places
    assert sorted(place for each in ranks for place in each.own) == list(range(len(places)))


# -- a signal ---------------------------------------------------------------------------------------------------------


def test_a_signal_ends_an_evaluation_between_batches_and_saves_the_step_at_hand(tiny_bench, tmp_path, monkeypatch):
    changes = {"run": {"steps": 9, "checkpoint_every": 9, "grid_every": 2}, "held_out": {"every": 2}}
    trainer = tiny_bench.trainer(tmp_path / "run", changes)
    evaluation = HeldOutScores(trainer.state, held_out(trainer), trainer.log, trainer.stopping)
    made = []
    evaluation.held_out.options = trainer.options.model_copy(
        update={"rollout": trainer.options.rollout.model_copy(update={"batch": 1})}
    )

    def after_step(step: int) -> None:
        if step == 2:
            made.append(signal_at_video(trainer, monkeypatch, signal.SIGTERM))
        evaluation.after_step(step)

    with pytest.raises(Stopped, match="signal 15: saved at step 2"):
        trainer.run(after_step)
    assert made == [[1]], "of two batches the second is not sampled, nor a picture"
    _, state = checkpoint_files.load(checkpoint_files.latest(trainer.log.output / "checkpoints"))
    assert state["step"] == 2 and not state["notes"].get("curve") and "pictured" not in state["notes"]


class Beside(World):
    """The first of two processes, with another that tells `told` in place of the signal that it got."""

    def __init__(self, told: float):
        super().__init__(0, 2)
        object.__setattr__(self, "told", told)

    def gather(self, rows: torch.Tensor) -> torch.Tensor:
        other = rows.clone()
        other[-1] = self.told
        other[1:-1:2] = rows[0]
        return torch.cat([rows, other])


def test_all_processes_end_an_evaluation_that_one_was_told_to_end(tiny_bench, tmp_path):
    trainer = tiny_bench.trainer(tmp_path / "run")
    with pytest.raises(Interrupted) as caught:
        held_out(trainer, Beside(15.0)).judge_arm(EXECUTOR)
    assert caught.value.signal == 15
    with pytest.raises(Interrupted) as caught:
        held_out(trainer, Beside(0.0)).judge_arm(EXECUTOR, lambda: 2)
    assert caught.value.signal == 2
    log_odds = held_out(trainer, Beside(0.0)).judge_arm(EXECUTOR).log_odds["task"]
    assert log_odds.shape == (2,) and np.isfinite(log_odds).all()


def test_the_mass_of_the_answers_is_kept_beside_them(tiny_bench, tmp_path):
    vlm = Massive()
    trainer = tiny_bench.trainer(tmp_path / "run", {"rewards": {"judge": {"max_failed_share": 0.5}}}, vlm=vlm)
    scores = HeldOutScores(trainer.state, held_out(trainer), trainer.log, trainer.stopping)
    vlm.task = scores.held_out.pairs[1].task
    scores.before()
    lines = [json.loads(line) for line in (tmp_path / "run" / "judged.jsonl").read_text().splitlines()]
    assert [line["arm"] for line in lines] == ["base under T", "Demonstrator (base under D)"]
    for line in lines:
        assert line["mass"] == [0.9, 1e-5]
        assert [value is None for value in line["log_odds"]["consistency"]] == [False, True]
        assert None not in line["log_odds"]["task"]


def test_a_mass_that_is_not_known_is_null(tiny_bench, tmp_path):
    trainer = tiny_bench.trainer(tmp_path / "run")
    assert np.isnan(held_out(trainer).judge_arm(EXECUTOR).mass).tolist() == [True, True]
    HeldOutScores(trainer.state, held_out(trainer), trainer.log, trainer.stopping).before()
    lines = [json.loads(line) for line in (tmp_path / "run" / "judged.jsonl").read_text().splitlines()]
    assert [line["mass"] for line in lines] == [[None, None]] * 2


def session(bench, output: Path, steps: int, **held: int) -> int:
    run = {"steps": steps, "checkpoint_every": 9, "grid_every": 2}
    return main(["--config", str(bench.config(output, run=run, held_out=held))])


def curve_and_pictures(output: Path) -> tuple[list, list[str], dict]:
    tensors, state = checkpoint_files.load(checkpoint_files.latest(output / "checkpoints"))
    return state["notes"]["curve"], sorted(path.name for path in (output / "pictures").iterdir()), tensors


@pytest.mark.slow
def test_a_resumed_run_makes_the_evaluation_and_the_picture_that_a_signal_ended(tiny_bench, tmp_path, monkeypatch):
    monkeypatch.setattr("training.rewards.judge.build_vlm", lambda _: Brightness())
    real, calls = HeldOut.batches, []

    def batches(self, arm, places):
        calls.append(arm.name)
        for number, part in enumerate(real(self, arm, places)):
            if arm == EXECUTOR and number == 0 and calls.count(arm.name) == 1:
                os.kill(os.getpid(), signal.SIGINT)
            yield part

    with monkeypatch.context() as patch:
        patch.setattr(HeldOut, "batches", batches)
        assert session(tiny_bench, tmp_path / "cut", 4, every=2) == 3
    assert [line["step"] for line in metrics_of(tmp_path / "cut")] == [1, 2]
    assert not list((tmp_path / "cut" / "pictures").glob("*"))
    for output in ("cut", "whole"):
        assert session(tiny_bench, tmp_path / output, 4, every=2) == 0
    (ours, pictures, tensors), (theirs, expected, others) = (
        curve_and_pictures(tmp_path / name) for name in ("cut", "whole")
    )
    assert ours == theirs and [at["step"] for at in ours] == [2]
    assert pictures == expected == ["step-00000002-rollouts.png", "step-00000004-rollouts.png"]
    assert all(torch.equal(tensors[key], others[key]) for key in others)
    assert metrics_of(tmp_path / "cut") == metrics_of(tmp_path / "whole")


@pytest.mark.slow
def test_a_picture_that_a_signal_cut_off_is_made_where_no_evaluation_was_due(tiny_bench, tmp_path, monkeypatch):
    monkeypatch.setattr("training.rewards.judge.build_vlm", lambda _: Brightness())

    def cut(self, step: int) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise Interrupted(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(HeldOutScores, "picture", cut)
        assert session(tiny_bench, tmp_path / "run", 3) == 3
    assert [line["step"] for line in metrics_of(tmp_path / "run")] == [1, 2]
    assert session(tiny_bench, tmp_path / "run", 3) == 0
    assert [path.name for path in (tmp_path / "run" / "pictures").iterdir()] == ["step-00000002-rollouts.png"]
