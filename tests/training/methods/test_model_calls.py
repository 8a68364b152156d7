"""No state passes through the model more often than the losses need: counted, and held at the minimum."""

import pytest

from tests.training.tiny_run import Brightness

ROLLOUT = {("rollout", False): 24}  # 2 tasks x 3 rollouts x 4 sampler steps
AWM = {"kind": "awm", "timesteps": 2}
GRPO = {"kind": "flow_grpo", "window": [0, 3]}
NFT = {"kind": "nft", "timesteps": 2}
RENOISED = {"distill": {"states": "renoised", "flow_time": False}}
CALLS = {
    # Per state of a loss one Executor forward and backward; the Demonstrator once a trajectory state, for r_distill and
    # the anchor together.
    "wmsd": ("wmsd", AWM, {}, {("teacher", False): 12, ("executor", True): 24}),
    "wmsd, one Executor pass": ("wmsd", AWM, RENOISED, {("teacher", False): 24, ("executor", True): 12}),
    "wmsd, Flow-GRPO shares its pass": ("wmsd", GRPO, {}, {("teacher", False): 18, ("executor", True): 18}),
    "Flow-GRPO, renoised or not": ("wmsd", GRPO, RENOISED, {("teacher", False): 18, ("executor", True): 18}),
    "off-policy asks nothing but its rollout": ("off_policy", AWM, {}, {("executor", True): 12}),
    "on-policy": ("on_policy_anchor", AWM, {}, {("teacher", False): 12, ("executor", True): 12}),
    "on-policy, full": ("on_policy_full", AWM, {}, {("teacher", False): 12, ("executor", True): 24}),
    "RL alone needs no teacher": ("rl_only", AWM, {}, {("executor", True): 12}),
    "RL, Flow-GRPO": ("rl_only", GRPO, {}, {("executor", True): 18}),
    "a reference where its KL counts": (
        "rl_only",
        GRPO | {"kl": 0.1},
        {},
        {("executor", True): 18, ("reference", False): 18},
    ),
    "a reference for kl_ref": (
        "rl_only",
        AWM,
        {"regularisers": {"kl_ref": 1.0}},
        {("executor", True): 12, ("reference", False): 12},
    ),
    "an EMA for kl_ema": (
        "rl_only",
        AWM,
        {"regularisers": {"kl_ema": 1.0}},
        {("executor", True): 12, ("ema", False): 12},
    ),
    "NFT's old policy": ("rl_only", NFT, {}, {("executor", True): 12, ("old", False): 12}),
    "NFT on policy": ("rl_only", NFT | {"old_decay_max": 0.0}, {}, {("executor", True): 12}),
    "a reference for both KLs": (
        "rl_only",
        GRPO | {"kl": 0.1},
        {"regularisers": {"kl_ref": 1.0}},
        {("executor", True): 18, ("reference", False): 18},
    ),
    "no anchor where beta_d is 0": (
        "wmsd",
        AWM,
        {"distill": {"beta_d": 0.0}},
        {("teacher", False): 12, ("executor", True): 12},
    ),
    "no r_distill where its weight is 0": (
        "wmsd",
        AWM,
        RENOISED | {"rewards": {"distill": 0.0}},
        {("teacher", False): 12, ("executor", True): 12},
    ),
    "no teacher where neither counts": (
        "wmsd",
        AWM,
        {"distill": {"beta_d": 0.0}, "rewards": {"distill": 0.0}},
        {("executor", True): 12},
    ),
    "distillation alone has weight 1": (
        "on_policy_anchor",
        AWM,
        {"distill": {"beta_d": 0.0}},
        {("teacher", False): 12, ("executor", True): 12},
    ),
    "a trained teacher": ("off_policy_teacher_rl", AWM, {}, {("teacher", False): 12, ("demonstrator", True): 24}),
    "DMD": ("dmd", AWM, {}, {("teacher", False): 6, ("executor", True): 6, ("fake", True): 6}),
}


def counted(trainer) -> int:
    """Trains a step and returns how many states the transformer itself saw."""
    seen = []
    hook = trainer.model.transformer.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(len(kwargs["hidden_states"])), with_kwargs=True
    )
    trainer.state.step += 1
    trainer.train_step(trainer.state.step)
    hook.remove()
    return sum(seen)


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_a_step_makes_the_fewest_calls(tiny_bench, tmp_path, name):
    method, objective, changes, expected = CALLS[name]
    trainer = tiny_bench.trainer(tmp_path / "run", changes, method=method, objective=objective)
    seen = counted(trainer)
    assert trainer.predictor.calls == ROLLOUT | expected
    assert seen == sum(trainer.predictor.calls.values()), "calls beside the predictor"


def test_fine_tuning_makes_one_call_a_video(tiny_bench, tmp_path):
    trainer = tiny_bench.trainer(tmp_path / "run", method="sft")
    assert counted(trainer) == 6
    assert trainer.predictor.calls == {("executor", True): 6}


@pytest.mark.parametrize("objective", [AWM, GRPO, NFT], ids=lambda block: block["kind"])
def test_groups_without_variance_cost_no_training_pass(tiny_bench, tmp_path, objective):
    vlm = Brightness(blind="")
    trainer = tiny_bench.trainer(tmp_path / "run", method="rl_only", objective=objective, vlm=vlm)
    metrics = trainer.train_step(1)
    assert metrics["groups/zero_variance"] == 2 and metrics["grad_norm"] == 0 and metrics["skipped"] == 1
    assert trainer.predictor.calls == ROLLOUT


def test_an_anchor_looks_at_groups_without_variance_too(tiny_bench, tmp_path):
    changes = {"rewards": {"distill": 0.0}, "distill": {"states": "renoised", "flow_time": False}}
    trainer = tiny_bench.trainer(tmp_path / "run", changes, vlm=Brightness(blind=""))
    metrics = trainer.train_step(1)
    assert metrics["groups/zero_variance"] == 2 and metrics["anchor"] > 0 and metrics["grad_norm"] > 0
