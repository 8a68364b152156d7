"""What a step learns from is told apart by reward and by learner, and where there is nothing to learn nothing moves."""

import numpy as np
import pytest
import torch

from tests.training import tiny_run
from tests.training.tiny_run import Brightness


def step(trainer) -> dict[str, float]:
    trainer.state.step += 1
    return trainer.train_step(trainer.state.step)


def everything(trainer) -> list[torch.Tensor]:
    """All that a step may move: adapters, optimizer states, shadows."""
    found = []
    for name, trained in trainer.state.learners.items():
        found += [p.detach() for p in trainer.policies.parameters(name)]
        found += [value for state in trained.optimizers["adamw"].state.values() for value in state.values()]
        found += [tensor for shadow in trained.shadows.values() for tensor in shadow.tensors]
    return [tensor.clone() for tensor in found]


# -- rewards ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("normalise", [False, True])
def test_each_reward_tells_its_spread_within_groups_after_weighting(tiny_bench, tmp_path, monkeypatch, normalise):
    seen = {}
    monkeypatch.setattr("training.rewards.totals.combine", lambda terms: seen.update(terms) or sum(terms.values()))
    rewards = {"task": 2.0, "consistency": 0.25, "distill": 10.0, "normalise": normalise}
    trainer = tiny_bench.trainer(tmp_path / "run", {"rewards": rewards})
    metrics = step(trainer)
    assert {name for name in metrics if name.startswith("spread/")} == {
        "spread/task",
        "spread/consistency",
        "spread/distill",
    }
    for name, term in seen.items():
        by_hand = np.mean([term[:3].numpy().std(), term[3:].numpy().std()])  # 2 tasks x 3 rollouts
        assert metrics[f"spread/{name}"] == pytest.approx(by_hand, rel=1e-9) and by_hand > 0
    raw = metrics["reward/task"] * 2 / (trainer.state.learners["executor"].normaliser.std("task") if normalise else 1)
    assert float(seen["task"].mean()) == pytest.approx(raw)


def test_a_reward_that_is_alike_in_every_group_has_no_spread(tiny_bench, tmp_path):
    trainer = tiny_bench.trainer(tmp_path / "run", vlm=Brightness(blind=""))
    metrics = step(trainer)
    assert metrics["spread/task"] == metrics["spread/consistency"] == 0 < metrics["spread/distill"]


# -- steps without a gradient -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["awm", "nft"])
def test_a_step_without_a_gradient_moves_nothing_and_is_counted(tiny_bench, tmp_path, kind):
    """Momentum, weight decay, the old policy and the EMA would all move with nothing learned."""
    changes = {
        "objective": {"kind": kind, "timesteps": 2},
        "regularisers": {"kl_ema": 0.1},
        "optimizer": {"decay_to": 0.1, "weight_decay": 0.1},
        "run": {"steps": 9},
    }
    trainer = tiny_bench.trainer(tmp_path / "run", changes, method="rl_only")
    rates = [step(trainer)["lr"]]
    trainer.parts.judge.vlm.blind, before = "", everything(trainer)
    metrics = step(trainer)
    after = everything(trainer)
    assert metrics["skipped"] == 1 and metrics["grad_norm"] == 0
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(before, after, strict=True))
    trainer.parts.judge.vlm.blind = None
    rates += [metrics["lr"], (last := step(trainer))["lr"]]
    assert last["skipped"] == 0 and rates[0] > rates[1] > rates[2], "the schedule goes on"
    assert not all(torch.equal(ours, theirs) for ours, theirs in zip(after, everything(trainer), strict=True))


def test_an_adapter_without_a_gradient_does_not_hold_up_another(tiny_bench, tmp_path):
    trainer = tiny_bench.trainer(tmp_path / "run", method="dmd")
    for parameter in trainer.policies.parameters("executor"):
        parameter.register_hook(torch.zeros_like)
    before = {name: tiny_run.adapter(trainer, name) for name in ("executor", "fake")}
    assert step(trainer)["skipped"] == 1
    assert tiny_run.same(before["executor"], tiny_run.adapter(trainer))
    assert not tiny_run.same(before["fake"], tiny_run.adapter(trainer, "fake"))


# -- two learners -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "first"), [("alternating", "executor"), ("off_policy_teacher_rl", "demonstrator")])
def test_metrics_of_a_round_that_trains_the_demonstrator_are_its_own(tiny_bench, tmp_path, method, first):
    trainer = tiny_bench.trainer(tmp_path / "run", {"distill": {"period": 2}}, method=method)
    rounds = [step(trainer), step(trainer)]
    executor, demonstrator = rounds if first == "executor" else rounds[::-1]
    assert executor["grad_norm"] > 0 and executor["anchor"] >= 0
    assert not any(name.startswith("demonstrator/") for name in executor)
    shared = {name for name in demonstrator if not name.startswith("demonstrator/")}
    assert {name for name in shared if not name.startswith("seconds")} == {"lr"}
    for name in ("reward", "reward/task", "spread/task", "solved", "grad_norm", "skipped", "anchor"):
        assert f"demonstrator/{name}" in demonstrator


def test_each_learner_has_reward_scales_of_its_own_which_a_checkpoint_keeps(tiny_bench, tmp_path):
    changes = {"rewards": {"normalise": True}, "distill": {"period": 2}}
    trainer = tiny_bench.trainer(tmp_path / "run", changes, method="alternating")
    assert "reward/task" in step(trainer) and "demonstrator/reward/task" in step(trainer)
    scales = {name: trained.normaliser for name, trained in trainer.state.learners.items()}
    assert {name: sorted(scale.moments) for name, scale in scales.items()} == {
        "executor": ["consistency", "distill", "task"],
        "demonstrator": ["consistency", "task"],  # r_distill is the Executor's
    }
    assert all(count == 6 for scale in scales.values() for count, *_ in scale.moments.values()), "one round each"
    assert scales["executor"].std("task") != scales["demonstrator"].std("task")
    trainer.save()
    resumed = tiny_bench.trainer(tmp_path / "run", changes, method="alternating")
    assert resumed.state.restore()
    assert {name: trained.normaliser for name, trained in resumed.state.learners.items()} == scales
