"""How runs end: a signal or a judge that is gone costs the step at hand and nothing that was finished before it."""

import os
import signal

import pytest
import torch

from models.vlm.failures import TooManyFailures
from tests.training import tiny_run
from tests.training.loop.test_resume import same_end
from tests.training.tiny_run import Brightness, step_of
from training.loop import checkpoint_files
from training.loop.held_out import EXECUTOR, HeldOut
from training.loop.trainer import Trainer
from training.policies import adapters
from training.stopping import Dropped, Left, Stopped, Stopping
from training.train import main
from training.world import World

pytestmark = pytest.mark.slow

OBJECTIVES = {
    "wmsd": {},
    "flow_grpo": {"objective": {"kind": "flow_grpo", "window": [0, 3]}},
    "normalised": {"rewards": {"normalise": True}},
    "sft": {"method": "sft", "memory": {"batch": 2}},
    "dmd": {"method": "dmd"},
    "three updates": {"rollout": {"updates_per_rollout": 3}},
}


def steps_saved(output) -> list[int]:
    return [step_of(path) for path in checkpoint_files.all_checkpoints(output / "checkpoints")]


def session(bench, output, monkeypatch, changes, told=lambda trainer: None, fails=lambda key: False) -> int:
    """The exit status of `training.train` in this process; `told` is told of the trainer that it makes."""

    def make(*given) -> Trainer:
        trainer = Trainer(*given)
        told(trainer)
        return trainer

    with monkeypatch.context() as patch:
        patch.setattr("training.rewards.judge.build_vlm", lambda _: Brightness(fails=fails))
        patch.setattr("training.loop.session.Trainer", make)
        return main(["--config", str(bench.config(output, changes))])


def ended_in_call(at: int, calls: list[int]):
    """Asks this process to end in call number `at` of the model in step 2; `calls` gets an entry for each call."""

    def told(trainer: Trainer) -> None:
        real = trainer.model.velocity

        def velocity(x, sigma, condition):
            if trainer.state.step == 1 and trainer.stopping.in_phase:
                calls.append(len(x))
                if len(calls) == at:
                    os.kill(os.getpid(), signal.SIGTERM)
            return real(x, sigma, condition)

        trainer.model.velocity = velocity

    return told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_between_steps_saves_those_that_are_finished(tiny_bench, tmp_path, number):
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    trainer = tiny_bench.trainer(tmp_path / "run", {"run": {"steps": 9, "checkpoint_every": 9}})
    with pytest.raises(Stopped, match=rf"signal {int(number)}: saved at step 2"):
        trainer.run(lambda step: os.kill(os.getpid(), number) if step == 2 else None)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    tensors, state = checkpoint_files.load(checkpoint_files.latest(tmp_path / "run" / "checkpoints"))
    assert state["step"] == 2
    assert all(torch.equal(t, tensors[f"adapter/executor/{key}"]) for key, t in tiny_run.adapter(trainer).items())


def test_a_signal_after_the_last_step_is_not_lost(tiny_bench, tmp_path):
    """Else the evaluation that follows would run to its end, and a cancelled run would be killed in it."""
    trainer = tiny_bench.trainer(tmp_path / "run", {"run": {"steps": 2, "checkpoint_every": 9}})
    with pytest.raises(Stopped, match="signal 15: saved at step 2, the last"):
        trainer.run(lambda step: os.kill(os.getpid(), signal.SIGTERM) if step == 2 else None)
    assert steps_saved(tmp_path / "run") == [2]


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("place", ["first", "last but one"])
def test_a_step_is_left_at_the_next_call_and_made_again_to_the_same_bits(
    tiny_bench, tmp_path, monkeypatch, capsys, name, place
):
    changes, every, calls = OBJECTIVES[name] | {"run": {"steps": 3, "checkpoint_every": 9}}, [], []
    assert session(tiny_bench, tmp_path / "whole", monkeypatch, changes, ended_in_call(0, every)) == 0
    at = 1 if place == "first" else len(every) - 1
    assert 0 < at < len(every)
    assert session(tiny_bench, tmp_path / "cut", monkeypatch, changes, ended_in_call(at, calls)) == 3
    assert "asked to end by signal 15: saved at step 1" in capsys.readouterr().err
    assert len(calls) == at, "no further call of the model"
    assert session(tiny_bench, tmp_path / "cut", monkeypatch, changes) == 0
    same_end(tmp_path / "cut", tmp_path / "whole")


def test_a_signal_in_the_first_step_leaves_no_checkpoint(tiny_bench, tmp_path):
    trainer = tiny_bench.trainer(tmp_path / "run")
    trainer.model.transformer.register_forward_pre_hook(lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Stopped, match="signal 15: no step was finished"):
        trainer.run()
    assert steps_saved(tmp_path / "run") == [] and not adapters.kept(tmp_path / "run")


def test_a_judge_that_is_gone_costs_the_step_at_hand_alone(tiny_bench, tmp_path, monkeypatch, capsys):
    changes, made = {"run": {"steps": 4, "checkpoint_every": 9}, "rewards": {"normalise": True}}, []
    gone = {"told": made.append, "fails": lambda key: made[0].state.step == 2}
    assert session(tiny_bench, tmp_path / "cut", monkeypatch, changes, **gone) == 1
    assert "TooManyFailures" in (said := capsys.readouterr().err) and "step 3" in said
    assert steps_saved(tmp_path / "cut") == [2]
    for output in ("cut", "whole"):
        assert session(tiny_bench, tmp_path / output, monkeypatch, changes) == 0
    same_end(tmp_path / "cut", tmp_path / "whole")


@pytest.mark.parametrize("every", [2, 9], ids=["a checkpoint was due", "none was due"])
def test_a_held_out_evaluation_that_fails_or_is_killed_costs_no_step(tiny_bench, tmp_path, monkeypatch, every):
    trainer = tiny_bench.trainer(tmp_path / "run", {"run": {"steps": 4, "checkpoint_every": every}})
    before = []

    def fails(step: int) -> None:
        if step == 2:
            before.extend(steps_saved(tmp_path / "run"))
            raise TooManyFailures("the server is down")

    with pytest.raises(TooManyFailures, match="down"):
        trainer.run(fails)
    assert before == ([2] if every == 2 else []), "a checkpoint that is due comes before the evaluation"
    assert steps_saved(tmp_path / "run") == [2]


def test_what_an_evaluation_found_is_in_the_checkpoint_of_its_step(tiny_bench, tmp_path):
    trainer = tiny_bench.trainer(tmp_path / "run", {"run": {"steps": 2, "checkpoint_every": 1}})
    trainer.run(lambda step: trainer.state.notes.update(found=step))
    assert checkpoint_files.load(checkpoint_files.latest(tmp_path / "run" / "checkpoints"))[1]["notes"] == {"found": 2}


class Beside(World):
    """The first of two processes; the other was asked to end by the signal `told`, 0 for none."""

    def __init__(self, told: int):
        super().__init__(0, 2)
        object.__setattr__(self, "told", told)

    def gather(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.cat([rows, torch.full_like(rows, self.told)])


@pytest.mark.parametrize(("own", "told", "dropped"), [(0, 0, 0), (0, 15, 15), (2, 0, 2)])
def test_all_processes_drop_a_step_that_one_was_asked_to_end_in(own, told, dropped):
    stopping, done = Stopping(Beside(told), "cpu"), []
    stopping.asked = own

    def work() -> None:
        with stopping.phase():
            stopping.heed()
            done.append("computed")

    if not dropped:
        work()
    else:
        with pytest.raises(Dropped) as caught:
            work()
        assert caught.value.signal == dropped
    assert bool(done) == (own == 0), "who was asked leaves; who was not goes on to the end of the phase"


def test_outside_of_a_phase_a_signal_raises_nothing(tiny_bench, tmp_path):
    """Evaluations look at it between batches and tell the others themselves."""
    stopping = Stopping(World(), "cpu")
    stopping.asked = 15
    stopping.heed()
    with pytest.raises(Dropped), stopping.phase():
        with pytest.raises(Left):
            stopping.heed()
        stopping.heed()
    trainer = tiny_bench.trainer(tmp_path / "run")
    trainer.stopping.asked = 15
    held_out = HeldOut(trainer.options, trainer.predictor, trainer.store, trainer.parts.judge, World())
    assert held_out.videos(EXECUTOR, [0]).shape[0] == 1
