"""Plans count tensors that are trained whole as a run holds them: with gradient, optimizer states and shadows."""

import pytest
import torch

from tests.training import rig
from tests.training.planning.test_plan import NFT, small_model
from training.methods.asking import calls
from training.planning.flops import compute
from training.planning.gpus import gpu_named
from training.planning.memory import memory
from training.planning.planned_model import lora_targets

TENSORS = {"proj_out.weight": (8, 6), "proj_out.bias": (6,), "table": (2, 8), "proj_outer.bias": (1000,)}


@pytest.mark.parametrize(
    ("whole", "numbers", "matrices"),
    [(["proj_out"], 54, 48), (["table", "proj_out.bias"], 22, 16), (["proj_out", "proj_out.bias"], 54, 48)],
)
def test_whole_tensors_in_closed_form(whole, numbers, matrices):
    model, lora, nft = small_model(tensors=TENSORS), 4 * (8 + 8), {"method": "rl_only", "objective": NFT}
    both, block = ("to_q",), {"rank": 4, "alpha": 8.0}

    def found(**given):
        return memory(model, rig.options(**nft, lora=block | {"whole": whole}, **given), 1, both)

    plain = memory(model, rig.options(**nft, lora=block), 1, both)
    assert found()["trained"] == 16 * (lora + numbers) and plain["trained"] == 16 * lora
    assert found()["shadows"] == 4 * (lora + numbers), "the old policy holds them too"
    ema = found(regularisers={"kl_ema": 0.1})
    assert ema["shadows"] == 2 * 4 * (lora + numbers)
    assert found()["weights"] == plain["weights"], "the base keeps its own"
    muon = found(optimizer={"kind": "muon"})
    assert muon["trained"] == 16 * (lora + numbers) - 4 * (lora + matrices)
    assert found(model=HALF)["trained"] == 16 * (lora + numbers) + 2 * numbers, "and once as the base's type"


HALF = {"kind": "wan", "path": "-", "frames": 8, "height": 32, "width": 32, "fps": 4.0, "dtype": "bfloat16"}


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_trained_bytes_are_those_that_a_step_leaves(tiny_wan, kind):
    options = rig.options(
        method="alternating",
        distill={"timesteps": 2, "period": 2},
        objective=NFT,
        lora={"rank": 4, "alpha": 8.0, "whole": ["proj_out", "scale_shift_table"]},
        optimizer={"kind": kind},
        run={"steps": 2},
    )
    shapes = {name: tuple(p.shape) for name, p in tiny_wan.transformer.named_parameters()}
    linear = {n: layer for n, layer in tiny_wan.transformer.named_modules() if isinstance(layer, torch.nn.Linear)}
    layers = {n: (layer.in_features, layer.out_features) for n, layer in linear.items()}
    trainer = rig.trainer(tiny_wan, options)
    for step in (1, 2):
        trainer.train_step(step)
    held = shadows = 0
    for name, learner in trainer.state.learners.items():
        tensors = trainer.policies.parameters(name)
        states = [s for o in learner.optimizers.values() for one in o.state.values() for s in one.values()]
        held += sum(2 * p.numel() for p in tensors) + sum(s.numel() for s in states if s.ndim)
        shadows += sum(t.numel() for shadow in learner.shadows.values() for t in shadow.tensors)
    planned = memory(small_model(layers=layers, tensors=shapes), options, 1, lora_targets(options))
    assert planned["trained"] == 4 * held
    assert planned["shadows"] == 4 * shadows


def test_a_whole_tensor_that_is_none_is_named():
    options = rig.options(lora={"rank": 4, "alpha": 8.0, "whole": ["proj_oud"]})
    with pytest.raises(ValueError, match=r"lora\.whole: 'proj_oud' is no layer and no parameter of this wan model"):
        memory(small_model(tensors=TENSORS), options, 1, ("to_q",))


def test_gradients_of_whole_linear_layers_cost_a_product_each():
    def update(**whole) -> float:
        options = rig.options(method="rl_only", lora={"rank": 4, "alpha": 8.0, **whole})
        return compute(small_model(), options, 1, gpu_named("h100"), 0.4, ("to_q",))["step"]["update"]["flops"]

    options = rig.options(method="rl_only")
    more = update(whole=["blocks.0.ffn"]) - update()
    assert more == pytest.approx(2 * 8 * 32 * 10 * calls(options)["executor", True])
