"""Two processes train as one does: the same parameters and metrics, with one all-reduce a step."""

import json
import subprocess
import sys
from functools import partial

import pytest
import torch

from tests.training.tiny_run import judge_of, metrics_of
from training.loop import checkpoint_files
from training.train import main
from training.world import World, join_world

pytestmark = pytest.mark.slow

STEPS = 3
RUNS = {
    "wmsd": {},
    "normalised": {"rewards": {"normalise": True, "std_scope": "global"}},
    "three updates": {"rollout": {"updates_per_rollout": 3}, "rewards": {"best": 1, "worst": 1}},
    "levels of each rollout": {"objective": {"kind": "awm", "timesteps": 2, "levels": "uniform", "level_each": True}},
    "flow_grpo": {"objective": {"kind": "flow_grpo", "window": [0, 3]}},
    "alternating": {
        "method": "alternating",
        "objective": {"kind": "nft", "timesteps": 2},
        "distill": {"period": 2},
        "regularisers": {"kl_ema": 0.1},
    },
    "off_policy": {"method": "off_policy"},
    "sft": {"method": "sft"},
    "dmd": {"method": "dmd"},
    # Groups of every other task have no variance: in some steps one process has nothing to train on, the other has.
    "idle": {"method": "rl_only"},
}
SAME = {"run": {"steps": STEPS, "checkpoint_every": STEPS}, "held_out": {"every": 2}}


@pytest.fixture(scope="module")
def runs(tiny_bench, tmp_path_factory, repository):
    """Each run by two processes and by one: (folder of two, folder of one, calls of collectives by rank)."""
    root = tmp_path_factory.mktemp("ranks")
    configs = {name: tiny_bench.config(root / f"{name}-2", changes, **SAME) for name, changes in RUNS.items()}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["tests/training/loop/ranks.py", str(root / "counts"), *map(str, configs.values())]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-4000:]
    counts = [json.loads((root / f"counts.{rank}").read_text()) for rank in (0, 1)]
    with pytest.MonkeyPatch.context() as patch:
        for name, changes in RUNS.items():
            config = tiny_bench.config(root / f"{name}-1", changes, **SAME)
            patch.setattr("training.rewards.judge.build_vlm", partial(judge_of, config))
            assert main(["--config", str(config)]) == 0
    return {
        name: (root / f"{name}-2", root / f"{name}-1", [count[str(config)] for count in counts])
        for name, config in configs.items()
    }


def updates(name: str) -> int:
    """Optimizer steps of a training step."""
    return RUNS[name].get("rollout", {}).get("updates_per_rollout", 1)


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_give_the_parameters_of_one(runs, name):
    two, one, _ = runs[name]
    ours, theirs = (checkpoint_files.load(checkpoint_files.latest(path / "checkpoints"))[0] for path in (two, one))
    assert ours.keys() == theirs.keys()
    trained = [key for key in ours if key.startswith(("adapter/", "shadow/"))]
    assert max(float((ours[key] - theirs[key]).abs().max()) for key in trained) < 1e-6 * updates(name)
    start = 1e-3  # the rate: what a step moves
    assert max(float(ours[key].abs().max()) for key in trained if "lora_B" in key) > start / 2


@pytest.mark.parametrize("name", RUNS)
def test_the_first_process_tells_the_metrics_of_all(runs, name):
    two, one, _ = runs[name]
    ours, theirs = metrics_of(two), metrics_of(one)
    assert [line.keys() for line in ours] == [line.keys() for line in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(other, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("name", RUNS)
def test_an_update_makes_one_all_reduce_and_nothing_is_unpickled(runs, name):
    *_, counts = runs[name]
    assert counts == [{"status": 0, "all_reduce": STEPS * updates(name)}] * 2


def test_held_out_scores_are_those_of_one_process(runs):
    two, one, _ = runs["wmsd"]
    ours, theirs = (json.loads((path / "scores.json").read_text()) for path in (two, one))
    assert ours["held_out_tasks"] == 2 and ours["curve"] == theirs["curve"]
    for arm, questions in theirs["arms"].items():
        for question, found in questions.items():
            assert ours["arms"][arm][question]["log_odds"] == pytest.approx(found["log_odds"], abs=0.05)


@pytest.mark.parametrize(("gpus", "backend"), [(0, "gloo"), (1, "gloo"), (2, "cpu:gloo,cuda:nccl")])
def test_a_recipe_may_train_on_the_cpu_of_a_machine_with_gpus(monkeypatch, gpus, backend):
    """NCCL alone refuses tensors on the CPU."""
    asked = []
    for name, value in {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    monkeypatch.setattr(torch.distributed, "init_process_group", asked.append)
    assert join_world() == World(1, 2) and asked == [backend]


def test_a_process_with_nothing_to_train_on_keeps_in_step(runs):
    _, one, _ = runs["idle"]
    assert [line["groups/zero_variance"] for line in metrics_of(one)].count(1) > 0
