"""Tensors trained whole: each policy has its own copy, the base keeps its own, and checkpoints hold them."""

import pytest
import torch
from torch import nn

from models.video.lora import BadLoRA, find_lora, wearing
from models.video.whole_tensors import write_whole
from storage.folders import building
from tests.training import tiny_run
from training.policies.export import write_weights
from training.policies.lora import NoSuchLayer, Policies

WHOLE = {"lora": {"rank": 2, "alpha": 4.0, "whole": ["proj_out", "scale_shift_table"]}}


class Network(nn.Module):
    """Not of diffusers: no add_adapter."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.first, self.act, self.last = nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.act(self.first(x)))


def policies(network=None, **given) -> Policies:
    return Policies(network or Network(), ["one", "two"], rank=2, alpha=4.0, targets=["first"], seed=0, **given)


def test_each_policy_has_its_own_copy_and_the_base_is_untouched_bitwise():
    x, of = torch.randn(5, 4), policies(whole=["last"])
    base = Network()(x)
    assert of.whole == ("last.bias", "last.weight")
    assert [name for name in of.named("one") if name.startswith("last")] == ["last.bias", "last.weight"]
    with of.use("one"):
        assert torch.equal(of.transformer(x), base), "copies begin as the base"
        of.transformer(x).square().sum().backward()
    grads = {name: p.grad for name, p in of.named("one").items()}
    assert grads["last.weight"].abs().sum() > 0
    assert all(p.grad is None for p in of.named("two").values())
    with torch.no_grad():
        of.named("one")["last.weight"].add_(1.0)
    with of.use("one"):
        assert not torch.equal(of.transformer(x), base)
        with of.use(None):
            assert torch.equal(of.transformer(x), base)
    with of.use("two"):
        assert torch.equal(of.transformer(x), base)
    assert torch.equal(of.transformer(x), base)


@pytest.mark.parametrize("name", ["last.weight", "last"])
def test_a_gradient_of_a_whole_tensor_is_the_one_that_autograd_gives_the_plain_network(name):
    x, of, plain = torch.randn(5, 4), policies(whole=[name]), Network()
    plain(x).square().sum().backward()
    with of.use("two"):
        of.transformer(x).square().sum().backward()
    assert torch.equal(of.named("two")["last.weight"].grad, plain.last.weight.grad)


def test_whole_tensors_of_a_base_in_bfloat16_are_trained_in_float32():
    x, of = torch.randn(5, 4, dtype=torch.bfloat16), policies(network=Network().bfloat16(), whole=["last"])
    master = of.named("one")["last.weight"]
    assert master.dtype == torch.float32
    with of.use("one"):
        of.transformer(x).float().square().sum().backward()
    assert master.grad.dtype == torch.float32 and master.grad.abs().sum() > 0
    with torch.no_grad():
        master.add_(1e-4)  # lost in bfloat16
    assert not torch.equal(master, master.bfloat16().float())


def test_what_is_no_layer_and_no_parameter_is_named():
    with pytest.raises(NoSuchLayer, match=r"lora.whole: 'lst' is neither a layer nor a parameter of Network"):
        policies(whole=["lst"])


@pytest.mark.slow
@pytest.mark.parametrize("objective", [{"kind": "awm", "timesteps": 2}, {"kind": "nft", "timesteps": 2}])
@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_a_run_with_whole_tensors_goes_on_from_a_checkpoint_to_the_same_bits(tiny_bench, tmp_path, kind, objective):
    changes = WHOLE | {"optimizer": {"kind": kind, "lr": 1e-2}, "objective": objective}
    whole = tiny_bench.trainer(tmp_path / "whole", changes)
    base = tiny_run.base_weights(whole)
    begun = tiny_bench.trainer(tmp_path / "cut", changes)
    for step in (1, 2, 3):
        whole.train_step(step)
        if step < 3:
            begun.train_step(step)
    begun.state.step = 2
    begun.save()
    resumed = tiny_bench.trainer(tmp_path / "cut", changes)
    assert resumed.state.restore() and resumed.state.step == 2
    resumed.train_step(3)
    assert {"proj_out.weight", "proj_out.bias", "scale_shift_table"} <= whole.policies.named("executor").keys()
    assert tiny_run.same(tiny_run.adapter(whole), tiny_run.adapter(resumed))
    assert tiny_run.same(base, tiny_run.base_weights(whole)), "the base is what it was"
    started = {"proj_out.weight": base["proj_out.weight"]}
    assert not torch.equal(whole.policies.named("executor")["proj_out.weight"], started["proj_out.weight"])


def test_final_weights_hold_the_whole_tensors_and_evaluation_wears_them(tiny_bench, tmp_path):
    trainer = tiny_bench.trainer(tmp_path / "run", WHOLE | {"optimizer": {"lr": 1e-1}})
    trainer.train_step(1)
    with building(tmp_path / "final") as folder:
        write_weights(trainer.policies, "executor", folder, trainer.options.model.family)
    other = tiny_bench.trainer(tmp_path / "other").model
    other.transformer.unload_lora()
    condition = trainer.store.executor(trainer.store.pairs("train")[:2])
    x, sigma = trainer.model.noise([1, 2]), torch.full((2,), 0.7)
    with torch.no_grad(), trainer.policies.use("executor"):
        trained = trainer.model.velocity(x, sigma, condition)
    with torch.no_grad():
        base = other.velocity(x, sigma, condition)
        lora = find_lora(str(tmp_path / "final"))
        with wearing(other.transformer, lora):
            assert torch.equal(other.velocity(x, sigma, condition), trained)
        assert torch.equal(other.velocity(x, sigma, condition), base) and not torch.equal(base, trained)
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / lora.file.name).write_bytes(lora.file.read_bytes())
    assert find_lora(str(tmp_path / "alone")).sha256 != lora.sha256, "another model without them"


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({"proj_out.bias": torch.zeros(3)}, r"proj_out.bias is \[3\]: it must hold finite numbers of shape"),
        ({"proj_oud.bias": torch.zeros(3)}, "'proj_oud.bias' is neither a layer nor a parameter"),
        ({"proj_out.bias": None}, "proj_out.bias is .*finite numbers"),
    ],
)
def test_whole_tensors_that_do_not_fit_are_refused_by_name(tiny_bench, tmp_path, tensors, told):
    trainer = tiny_bench.trainer(tmp_path / "run")
    with building(tmp_path / "final") as folder:
        write_weights(trainer.policies, "executor", folder, trainer.options.model.family)
    transformer = tiny_bench.trainer(tmp_path / "other").model.transformer
    transformer.unload_lora()
    nothing = torch.full_like(transformer.proj_out.bias, torch.nan)
    write_whole({name: nothing if given is None else given for name, given in tensors.items()}, tmp_path / "final")
    with pytest.raises(BadLoRA, match=told), wearing(transformer, find_lora(str(tmp_path / "final"))):
        pass
