"""A LoRA is put on modules that are not of diffusers' adapter classes, and taken off, as on those that are."""

import pytest
import torch
from torch import Tensor, nn

from models.video.lora import BadLoRA, find_lora, put_on, take_off, wearing
from models.video.wan.facts import WAN
from models.video.whole_tensors import write_whole
from training.policies.export import write_weights
from training.policies.lora import Policies

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")


class Attention(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(width, width), nn.Dropout(0.0)])

    def forward(self, x: Tensor) -> Tensor:
        return self.to_out[0](nn.functional.scaled_dot_product_attention(self.to_q(x), self.to_k(x), self.to_v(x)))


class Plain(nn.Module):
    """No class of diffusers: blocks of attention and a last layer."""

    def __init__(self):
        super().__init__()
        self.blocks, self.proj_out = nn.ModuleList([Attention(8) for _ in range(2)]), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = x + block(x)
        return self.proj_out(x)


def plain() -> tuple[nn.Module, tuple, str]:
    return Plain(), (torch.randn(2, 5, 8),), "proj_out"


def unet() -> tuple[nn.Module, tuple, str]:
    """Stable Video Diffusion's, of which robot world models are made: diffusers gives it no adapter methods."""
    from diffusers import UNetSpatioTemporalConditionModel

    network = UNetSpatioTemporalConditionModel(
        sample_size=8,
        in_channels=8,
        out_channels=4,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        block_out_channels=(32, 32),
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=24,
        layers_per_block=1,
        cross_attention_dim=8,
        transformer_layers_per_block=1,
        num_attention_heads=(2, 2),
        num_frames=2,
    )
    ids = torch.tensor([[6.0, 127.0, 0.02]])
    return network, (torch.randn(1, 2, 8, 8, 8), torch.tensor([0.3]), torch.randn(1, 1, 8), ids), "conv_out"


BUILDERS = {"attention of plain torch": plain, "a UNet of diffusers": unet}


@pytest.fixture(params=BUILDERS)
def made(request):
    torch.manual_seed(4)
    network, given, whole = BUILDERS[request.param]()
    assert not hasattr(network, "add_adapter") and not hasattr(network, "unload_lora")
    return network.eval(), given, whole


def told(network: nn.Module, given: tuple) -> Tensor:
    with torch.no_grad():
        out = network(*given)
    return out if isinstance(out, Tensor) else out.sample


def stirred(network: nn.Module, **whole) -> Policies:
    """The policy `executor`, far from the base."""
    policies = Policies(network, ["executor"], rank=3, alpha=6.0, targets=TARGETS, seed=1, **whole)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in policies.parameters("executor"):
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return policies


def test_worn_it_is_the_trained_policy_and_afterwards_every_layer_is_the_one_that_was_there(made, tmp_path):
    network, given, whole = made
    base, layers = told(network, given), dict(network.named_modules())
    names = [name for name, _ in network.named_parameters()]
    policies = stirred(network, whole=[whole])
    with policies.use("executor"):
        wanted = told(network, given)
    write_weights(policies, "executor", tmp_path, WAN)
    take_off(network)
    lora = find_lora(str(tmp_path))
    for _ in range(2):
        with wearing(network, lora):
            assert torch.equal(told(network, given), wanted)
        assert torch.equal(told(network, given), base) and (wanted - base).abs().max() > 1e-3
        found = dict(network.named_modules())
        assert found.keys() == layers.keys() and all(found[name] is layers[name] for name in layers)
        assert [name for name, _ in network.named_parameters()] == names
        assert not hasattr(network, "peft_config")


def test_a_lora_that_does_not_fit_leaves_the_base(made, tmp_path):
    network, given, _ = made
    base, layers = told(network, given), dict(network.named_modules())
    policies = stirred(network)
    write_weights(policies, "executor", tmp_path, WAN)
    take_off(network)
    write_whole({"nowhere.weight": torch.zeros(2)}, tmp_path)
    with pytest.raises(BadLoRA, match=r"'nowhere\.weight'"), wearing(network, find_lora(str(tmp_path))):
        pass
    (tmp_path / "whole_tensors.safetensors").unlink()
    with pytest.raises(RuntimeError, match="stop"), wearing(network, find_lora(str(tmp_path))):
        raise RuntimeError("stop")
    found = dict(network.named_modules())
    assert all(found[name] is layers[name] for name in layers) and torch.equal(told(network, given), base)


def test_tensors_and_names_are_those_that_diffusers_own_method_makes():
    from diffusers import UNet2DConditionModel
    from peft import LoraConfig

    class Without(UNet2DConditionModel):
        add_adapter = unload_lora = property()  # hidden: hasattr is False

    size = {
        "sample_size": 8,
        "block_out_channels": (32,),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D",),
        "up_block_types": ("CrossAttnUpBlock2D",),
        "cross_attention_dim": 8,
        "attention_head_dim": 8,
    }
    made = {}
    for kind in (UNet2DConditionModel, Without):
        torch.manual_seed(2)
        network = kind(**size)
        assert hasattr(network, "add_adapter") == (kind is UNet2DConditionModel)
        torch.manual_seed(3)
        config = LoraConfig(r=2, lora_alpha=4, target_modules=list(TARGETS), init_lora_weights="gaussian")
        put_on(network, config, "executor")
        made[kind] = {name: p for name, p in network.named_parameters() if "lora_" in name}
        take_off(network)
        assert not any("lora_" in name or "base_layer" in name for name, _ in network.named_parameters())
    theirs, ours = made.values()
    assert theirs and list(theirs) == list(ours)
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)
