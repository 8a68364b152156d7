"""Every method with every objective trains its own adapters and nothing else, and moves what it is meant to move."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from models.video.flow import renoise
from tests.training import tiny_run
from training.objectives.distillation import disagreement
from training.objectives.matching import flow_matching_loss
from training.rollouts import plan, sample

pytestmark = pytest.mark.slow

OBJECTIVES = {
    "awm": {"kind": "awm", "timesteps": 2},
    "flow_grpo": {"kind": "flow_grpo", "window": [0, 3]},
    "nft": {"kind": "nft", "timesteps": 2},
}
WITH_GRADIENT = ("wmsd", "on_policy_full", "rl_only", "off_policy_teacher_rl", "alternating")
WITHOUT = ("off_policy", "on_policy_anchor", "sft", "dmd")
RUNS = [(method, name) for method in WITH_GRADIENT for name in OBJECTIVES] + [(method, "awm") for method in WITHOUT]


def some(trainer, group: int = 3):
    """Rollouts of the base under T on two fixed tasks, and their conditions under T and D."""
    pairs = trainer.store.pairs("train")[:2]
    under_t, under_d = trainer.store.executor(pairs), trainer.store.demonstrator(pairs)

    def field(x, sigma, condition):
        return trainer.predictor.velocity(None, x, sigma, condition)

    rows = plan(7, 0, range(2), group)
    return sample(trainer.model, field, under_t, rows, steps=4, batch=6, keep=True), under_t, under_d


def distance_to_demonstrator(trainer) -> float:
    """The mean disagreement of Executor and Demonstrator on fixed states."""
    rollouts, under_t, under_d = some(trainer)
    tasks, apart = rollouts.plan.tasks, []
    for x, sigma in zip(rollouts.states[:-1], rollouts.sigmas[:-1], strict=True):
        at = sigma.expand(len(tasks))
        ours = trainer.predictor.velocity("executor", x, at, under_t.take(tasks))
        apart.append(disagreement(ours, trainer.predictor.velocity(None, x, at, under_d.take(tasks))).mean())
    return float(torch.stack(apart).mean())


def mean_reward(trainer, policy: str | None) -> float:
    """The judge's mean task reward of a policy under T on fixed noise."""
    pairs = trainer.store.pairs("train")[:2]
    under, rows = trainer.store.executor(pairs), plan(11, 0, range(2), 4)

    def field(x, sigma, condition):
        return trainer.predictor.velocity(policy, x, sigma, condition)

    clean = sample(trainer.model, field, under, rows, steps=4, batch=8, keep=False).clean
    texts = [pairs[i].task for i in rows.tasks.tolist()]
    return float(trainer.parts.judge.submit(trainer.model.decode(clean), texts, 4.0).result().log_odds["task"].mean())


def fit_of(trainer, policy: str, x0: Tensor, condition) -> float:
    """The flow matching loss of a policy on data, at fixed noise and levels."""
    noise, sigma = trainer.model.noise(range(len(x0))), torch.linspace(0.3, 0.9, len(x0))
    prediction = trainer.predictor.velocity(policy, renoise(x0, noise, sigma), sigma, condition)
    return float(flow_matching_loss(prediction, noise - x0).mean())


def train(trainer, steps: int) -> None:
    for _ in range(steps):
        trainer.state.step += 1
        trainer.train_step(trainer.state.step)


@pytest.mark.parametrize(("method", "objective"), RUNS)
def test_a_method_trains_its_own_adapters_and_leaves_the_base_bitwise(tiny_bench, tmp_path, method, objective):
    changes = {"objective": OBJECTIVES[objective], "distill": {"period": 2}, "run": {"steps": 2, "checkpoint_every": 2}}
    trainer = tiny_bench.trainer(tmp_path / "run", changes, method=method)
    base, probe = tiny_run.base_weights(trainer), some(trainer)[0].clean
    before = {name: tiny_run.adapter(trainer, name) for name in trainer.state.learners}
    expected = {
        "off_policy_teacher_rl": {"executor", "demonstrator"},
        "alternating": {"executor", "demonstrator"},
        "dmd": {"executor", "fake"},
    }
    assert set(before) == expected.get(method, {"executor"})
    trainer.run()
    assert trainer.state.step == 2
    assert tiny_run.same(base, tiny_run.base_weights(trainer))
    assert torch.equal(some(trainer)[0].clean, probe), "with adapters off the model is the base"
    for name, tensors in before.items():
        moved = [
            key for key, tensor in tiny_run.adapter(trainer, name).items() if not torch.equal(tensor, tensors[key])
        ]
        assert moved, f"{name} was not trained"
    metrics = tiny_run.metrics_of(tmp_path / "run")
    assert [line["step"] for line in metrics] == [1, 2]
    for line in metrics:
        wrong = {key: value for key, value in line.items() if value is None or not math.isfinite(value)}
        assert not wrong and max(line.get("grad_norm", 0), line.get("demonstrator/grad_norm", 0)) > 0, line


@pytest.mark.parametrize("method", ["on_policy_anchor", "off_policy", "on_policy_full"])
def test_distillation_brings_the_executor_nearer_to_the_demonstrator(tiny_bench, tmp_path, method):
    changes = {"optimizer": {"lr": 1e-2}, "distill": {"beta_d": 1.0, "timesteps": 4}, "rewards": {"scale": 0.01}}
    trainer = tiny_bench.trainer(tmp_path / "run", changes, method=method)
    before = distance_to_demonstrator(trainer)
    train(trainer, 16)
    assert distance_to_demonstrator(trainer) < 0.75 * before


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("method", ["rl_only", "wmsd"])
def test_the_policy_gradient_raises_the_judges_reward(tiny_bench, tmp_path, method, objective):
    changes = {
        "objective": OBJECTIVES[objective],
        "optimizer": {"lr": 1e-2},
        "rewards": {"consistency": 0.0, "scale": 5.0},
        "rollout": {"group": 8, "batch": 16},
        "memory": {"batch": 48},
    }
    trainer = tiny_bench.trainer(tmp_path / "run", changes, method=method)
    before = mean_reward(trainer, None)
    train(trainer, 12)
    assert mean_reward(trainer, "executor") > before + 0.1


@pytest.mark.parametrize("name", ["awm", "flow_grpo"])
def test_rollouts_sampled_in_batches_are_those_of_one_batch_and_lie_in_memory_once(tiny_bench, tmp_path, name):
    trainer = tiny_bench.trainer(tmp_path / "run", {"objective": OBJECTIVES[name]}, method="rl_only")
    objective = trainer.options.objective if name == "flow_grpo" else None
    under, rows = trainer.store.executor(trainer.store.pairs("train")[:2]), plan(3, 0, range(2), 3)

    def rolled(batch: int):
        field = partial(trainer.predictor.velocity, None)
        return sample(trainer.model, field, under, rows, steps=4, batch=batch, keep=True, objective=objective)

    whole, parts = rolled(6), rolled(4)
    assert parts.stochastic == whole.stochastic == ((0, 1, 2) if objective else ())
    for what in ("clean", "states", "velocities", *(["log_probs"] if objective else [])):
        torch.testing.assert_close(getattr(parts, what), getattr(whole, what), rtol=0, atol=1e-6)
    assert parts.clean.untyped_storage().data_ptr() == parts.states.untyped_storage().data_ptr()


def test_sft_lowers_the_flow_matching_loss(tiny_bench, tmp_path):
    trainer = tiny_bench.trainer(tmp_path / "run", {"optimizer": {"lr": 1e-2}}, method="sft")
    ids = trainer.method.videos
    x0, condition = trainer.store.video_states(ids), trainer.store.video_conditions(ids)
    before = fit_of(trainer, "executor", x0, condition)
    train(trainer, 10)
    assert fit_of(trainer, "executor", x0, condition) < 0.95 * before


def test_the_fake_score_of_dmd_learns_what_the_executor_makes(tiny_bench, tmp_path):
    trainer = tiny_bench.trainer(tmp_path / "run", {"optimizer": {"lr": 1e-2}}, method="dmd")
    for parameter in trainer.policies.parameters("executor"):
        parameter.register_hook(torch.zeros_like)  # stands still, so that what it makes stays comparable
    rollouts, under_t, _ = some(trainer)
    made, condition = rollouts.clean, under_t.take(rollouts.plan.tasks)
    before = fit_of(trainer, "fake", made, condition)
    train(trainer, 12)
    assert fit_of(trainer, "fake", made, condition) < before


@pytest.mark.parametrize("penalty", ["kl_ref", "kl_ema"])
def test_velocity_penalties_hold_the_policy_back(tiny_bench, tmp_path, penalty):
    def moved(**regularisers) -> float:
        changes = {"optimizer": {"lr": 1e-3}, "regularisers": {"ema_decay": 0.99, **regularisers}}
        trainer = tiny_bench.trainer(tmp_path / f"run{len(regularisers)}", changes, method="rl_only")
        train(trainer, 5)
        rollouts, under, _ = some(trainer)
        x, sigma, condition = rollouts.states[1], rollouts.sigmas[1].expand(6), under.take(rollouts.plan.tasks)
        velocity = trainer.predictor.velocity
        return float(
            disagreement(velocity("executor", x, sigma, condition), velocity(None, x, sigma, condition)).mean()
        )

    assert moved(**{penalty: 1e4}) < 0.5 * moved()
