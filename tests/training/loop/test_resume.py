"""A run that was killed or asked to end goes on as if nothing had happened: bitwise, metrics and all."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.training.tiny_run import Brightness, metrics_of, step_of
from training.loop import checkpoint_files
from training.train import main

pytestmark = pytest.mark.slow

# Everything that a checkpoint must hold: two adapters with optimizers, old and EMA shadows of both, a normaliser.
EVERYTHING = {
    "method": "alternating",
    "objective": {"kind": "nft", "timesteps": 1, "old_decay_rate": 0.1},
    "distill": {"period": 2, "timesteps": 1},
    "regularisers": {"kl_ema": 0.1},
    "rewards": {"normalise": True},
    "optimizer": {"warmup": 3, "decay_to": 0.1},
}


# The same under a judge that tells random videos apart: the scripted one finds nothing in any, and a Demonstrator
# without a gradient is never stepped.
JUDGED = """
import sys
from tests.training.tiny_run import Brightness
from training import train
from training.rewards import judge as judging
judging.build_vlm = lambda _: Brightness()
sys.exit(train.main())
"""


class Child:
    """A real `python -m training.train`, or other words for python in place of `-m training.train`."""

    def __init__(self, config: Path, repository: Path, *words: str):
        self.process = subprocess.Popen(
            [sys.executable, *(words or ("-m", "training.train")), "--config", str(config)],
            cwd=repository,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def after(self, metrics: Path, steps: int, number: int) -> tuple[int, str]:
        """Sends a signal when so many steps are logged; the exit status and what was said."""
        deadline = time.monotonic() + 400  # for the busiest of machines
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"{metrics} has no {steps} steps yet"
            if metrics.exists() and metrics.read_bytes().count(b"\n") >= steps:
                break
            time.sleep(0.005)
        self.process.send_signal(number)
        said, _ = self.process.communicate(timeout=200)
        return self.process.returncode, said


def end_of(output: Path) -> tuple[dict, dict, list[dict], bytes, bytes]:
    """The last checkpoint, the metrics of every step, the final weights and the scores of a run."""
    tensors, state = checkpoint_files.load(checkpoint_files.latest(output / "checkpoints"))
    state = {key: value for key, value in state.items() if key != "recipe"}
    weights, scores = output / "final" / "pytorch_lora_weights.safetensors", output / "scores.json"
    return tensors, state, metrics_of(output), weights.read_bytes(), scores.read_bytes()


def same_end(left: Path, right: Path) -> None:
    ours, theirs = end_of(left), end_of(right)
    assert ours[0].keys() == theirs[0].keys()
    wrong = [key for key in ours[0] if not torch.equal(ours[0][key], theirs[0][key])]
    assert not wrong
    assert ours[1:] == theirs[1:]


def test_a_killed_run_resumes_to_the_same_bits(tiny_bench, tmp_path, repository, monkeypatch):
    monkeypatch.setattr("training.rewards.judge.build_vlm", lambda _: Brightness())
    run = {"run": {"steps": 24, "checkpoint_every": 8}}
    config = tiny_bench.config(tmp_path / "killed", EVERYTHING, **run)
    output = tmp_path / "killed"
    status, said = Child(config, repository, "-c", JUDGED).after(output / "metrics.jsonl", 10, signal.SIGKILL)
    assert status == -signal.SIGKILL, said[-3000:]
    saved = step_of(checkpoint_files.latest(output / "checkpoints"))
    assert saved in (8, 16) and len(metrics_of(output)) > saved, "steps after the checkpoint are lost"
    assert main(["--config", str(config)]) == 0
    assert main(["--config", str(tiny_bench.config(tmp_path / "whole", EVERYTHING, **run))]) == 0
    tensors, *_ = end_of(output)
    kinds = {key.split("/")[0] for key in tensors} | {
        "/".join(key.split("/")[:3]) for key in tensors if "shadow" in key
    }
    shadows = {f"shadow/{name}/{kind}" for name in ("executor", "demonstrator") for kind in ("old", "ema")}
    assert kinds == {"adapter", "executor", "demonstrator", "rng", "shadow"} | shadows
    same_end(output, tmp_path / "whole")


def test_a_run_asked_to_end_saves_with_status_3_and_goes_on(tiny_bench, tmp_path, repository):
    output, more = tmp_path / "stopped", {"held_out": {"every": 1}}
    config = tiny_bench.config(output, run={"steps": 500, "checkpoint_every": 500}, **more)
    status, said = Child(config, repository).after(output / "metrics.jsonl", 2, signal.SIGTERM)
    assert status == 3 and "asked to end by signal 15: saved at step" in said, said[-3000:]
    saved = step_of(checkpoint_files.latest(output / "checkpoints"))
    assert 2 <= saved < 500
    run = {"steps": saved + 2, "checkpoint_every": saved + 2}
    assert main(["--config", str(tiny_bench.config(output, run=run, **more))]) == 0
    assert main(["--config", str(tiny_bench.config(tmp_path / "whole", run=run, **more))]) == 0
    same_end(output, tmp_path / "whole")


@pytest.mark.parametrize("method", ["alternating", "dmd", "sft", "off_policy_teacher_rl"])
def test_a_run_in_two_halves_is_the_run_in_one(tiny_bench, tmp_path, monkeypatch, method):
    monkeypatch.setattr("training.rewards.judge.build_vlm", lambda _: Brightness())
    everything = EVERYTHING | {"method": method, "optimizer": {"warmup": 1}}
    for output, halves in (("two", (2, 4)), ("one", (4,))):
        for steps in halves:
            run = {"run": {"steps": steps, "checkpoint_every": 2, "grid_every": 3}, "held_out": {"every": 3}}
            assert main(["--config", str(tiny_bench.config(tmp_path / output, everything, **run))]) == 0
    same_end(tmp_path / "two", tmp_path / "one")


def test_a_checkpoint_from_before_an_option_was_there_goes_on(tiny_bench, tmp_path):
    output = tmp_path / "run"
    assert main(["--config", str(tiny_bench.config(output, run={"steps": 2}))]) == 0
    state = checkpoint_files.latest(output / "checkpoints") / checkpoint_files.STATE
    document = json.loads(state.read_text())
    del document["sha256"]  # it had none then
    del document["state"]["recipe"]["regularisers"], document["state"]["recipe"]["rewards"]["normalise"]
    state.write_text(json.dumps(document))
    assert main(["--config", str(tiny_bench.config(output, run={"steps": 3}))]) == 0
    assert [line["step"] for line in metrics_of(output)] == [1, 2, 3]


def test_a_fresh_run_forgets_the_one_before(tiny_bench, tmp_path):
    output = tmp_path / "run"
    assert main(["--config", str(tiny_bench.config(output, run={"steps": 3}))]) == 0
    config = tiny_bench.config(output, run={"steps": 2, "seed": 4})
    assert main(["--config", str(config), "--fresh"]) == 0
    assert [line["step"] for line in metrics_of(output)] == [1, 2]
    assert step_of(checkpoint_files.latest(output / "checkpoints")) == 2
