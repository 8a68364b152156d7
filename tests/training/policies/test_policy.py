"""Policies share one base: switched off it is the base bitwise, and one adapter never shows in another."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor

from models.video.protocol import Condition
from training.policies.lora import NoSuchLayer, Policies, Shadow


def velocity(model) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(2, *model.state_shape, generator=generator)
    image = torch.randn(2, 1 + model.state_shape[0], *model.state_shape[1:], generator=generator)
    prompt = torch.randn(2, 24, 96, generator=generator)
    with torch.no_grad():
        return model.velocity(x, torch.tensor([0.3, 0.8]), Condition({"image": image, "prompt": prompt}))


def stir(policies: Policies, name: str, seed: int = 0) -> None:
    """LoRA starts as the identity: moves it, so that it shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policies.parameters(name):
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))


def make(model, *names: str, **changes) -> Policies:
    options = {"rank": 4, "alpha": 6.0, "targets": model.lora_targets, "seed": 3, **changes}
    return Policies(model.transformer, names, **options)


def test_switched_off_is_the_base_bitwise_and_on_is_not(tiny_wan):
    base = velocity(tiny_wan)
    policies = make(tiny_wan, "executor")
    with policies.use("executor"):
        assert torch.allclose(velocity(tiny_wan), base, atol=1e-6), "a fresh LoRA changes nothing"
    stir(policies, "executor")
    assert torch.equal(velocity(tiny_wan), base)
    with policies.use("executor"):
        changed = velocity(tiny_wan)
        assert (changed - base).abs().max() > 1e-3
        with policies.use(None):
            assert torch.equal(velocity(tiny_wan), base)
        assert torch.equal(velocity(tiny_wan), changed), "leaving an inner use returns to the outer one"
    assert torch.equal(velocity(tiny_wan), base)


def test_an_error_inside_use_returns_to_what_was_before(tiny_wan):
    base, policies = velocity(tiny_wan), make(tiny_wan, "executor")
    stir(policies, "executor")
    with pytest.raises(ZeroDivisionError), policies.use("executor"):
        raise ZeroDivisionError
    assert torch.equal(velocity(tiny_wan), base)


def test_adapters_do_not_show_in_each_other(tiny_wan):
    policies = make(tiny_wan, "executor", "demonstrator")
    with policies.use("demonstrator"):
        before = velocity(tiny_wan)
    stir(policies, "executor")
    with policies.use("demonstrator"):
        assert torch.equal(velocity(tiny_wan), before)
    assert not set(policies.named("executor")) & set(policies.named("demonstrator"))


def test_only_adapters_are_trained_in_float32_whatever_is_shown(tiny_wan):
    tiny_wan.transformer.to(torch.bfloat16)
    policies = make(tiny_wan, "executor", "demonstrator")
    for shown in (None, "executor", "demonstrator"):
        with policies.use(shown):
            trained = {name for name, p in tiny_wan.transformer.named_parameters() if p.requires_grad}
            assert trained == {*policies.named("executor"), *policies.named("demonstrator")}
    assert {p.dtype for p in policies.parameters("executor")} == {torch.float32}
    layers = sum(isinstance(layer, torch.nn.Linear) for layer in tiny_wan.transformer.blocks.modules())
    assert 0 < len(policies.parameters("executor")) == 2 * 20 <= layers


def test_gradients_reach_the_shown_adapter_alone(tiny_wan):
    policies = make(tiny_wan, "executor", "demonstrator")
    stir(policies, "executor")
    x = torch.randn(1, *tiny_wan.state_shape)
    condition = Condition({"image": torch.randn(1, 5, 8, 8, 8), "prompt": torch.randn(1, 24, 96)})
    with policies.use("executor"):
        tiny_wan.velocity(x, torch.tensor([0.5]), condition).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in policies.parameters("executor"))
    assert all(p.grad is None for p in policies.parameters("demonstrator"))


def test_the_seed_decides_the_start_and_leaves_the_generator_alone(tiny_wan):
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)

    def start(seed: int, *names: str) -> list[list[Tensor]]:
        policies = Policies(deepcopy(tiny_wan.transformer), names, rank=4, alpha=1.0, targets=["to_q"], seed=seed)
        # lora_A of every layer: lora_B starts at zero.
        return [[p for p in policies.parameters(name) if p.any()] for name in names]

    (alone,), (again, other), (elsewhere,) = start(3, "executor"), start(3, "executor", "fake"), start(4, "executor")
    assert torch.equal(torch.rand(3), expected)
    assert len(alone) == 4 and all(torch.equal(a, b) for a, b in zip(alone, again, strict=True))
    for changed in (other, elsewhere):
        assert not any(torch.equal(a, b) for a, b in zip(alone, changed, strict=True))


def test_a_target_that_matches_nothing_is_named_with_what_there_is(tiny_wan):
    with pytest.raises(NoSuchLayer, match=r"'to_quux' matches no linear layer.*attn1\.to_q"):
        make(tiny_wan, "executor", targets=("to_q", "to_quux"))


def test_a_shadow_stands_in_and_what_was_there_comes_back_exactly(tiny_wan):
    policies = make(tiny_wan, "executor")
    stir(policies, "executor")
    shadow = Shadow(policies.parameters("executor"))
    with policies.use("executor"):
        old = velocity(tiny_wan)
        stir(policies, "executor", seed=1)
        live = [p.detach().clone() for p in policies.parameters("executor")]
        new = velocity(tiny_wan)
        with shadow.swapped():
            assert torch.equal(velocity(tiny_wan), old)
        assert torch.equal(velocity(tiny_wan), new) and not torch.equal(new, old)
        with pytest.raises(ZeroDivisionError), shadow.swapped():
            raise ZeroDivisionError
    for parameter, value in zip(policies.parameters("executor"), live, strict=True):
        assert torch.equal(parameter, value)


def test_a_shadow_decays_towards_the_live_values():
    parameter = torch.nn.Parameter(torch.tensor([4.0, -2.0]))
    shadow = Shadow([parameter])
    with torch.no_grad():
        parameter.fill_(0.0)
    for power in (1, 2, 3):
        shadow.update(0.75)
        assert torch.allclose(shadow.tensors[0], torch.tensor([4.0, -2.0]) * 0.75**power)
    shadow.update(0.0)
    assert torch.equal(shadow.tensors[0], parameter)
    assert shadow.tensors[0].data_ptr() != parameter.data_ptr()
