"""What is written is read bit for bit, a released state dict loads by its own names, and what is wrong is named."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.robot.build_robot_model import build_robot_model, describe, identify, identify_latents
from models.robot.checkpoint import options_for
from models.robot.export import merged, write_robot_model
from models.robot.network import CtrlWorldNetwork
from models.robot.released import from_pt, read_pt, to_pt
from tests.models.robot.conftest import random_contexts
from tests.models.robot.tiny import unet_config, vae_config


def asked(folder, **settings):
    return options_for(folder, dtype="float32", device="cpu", **settings)


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_a_model_written_and_read_denoises_bit_for_bit_the_same(folder, model, tmp_path):
    from models.robot.checkpoint import read_robot_file

    out = write_robot_model(
        tmp_path / "out", model.transformer, model.vae, read_robot_file(folder / "robot.json"), card="# A card\n"
    )
    again = build_robot_model(asked(out))
    condition, x = random_contexts(model, 1), model.noise([1])
    assert torch.equal(again.denoised(x, torch.ones(1), condition), model.denoised(x, torch.ones(1), condition))
    assert again.identity == model.identity == identify(asked(out))
    assert again.latents_identity == identify_latents(asked(folder))
    assert (out / "README.md").read_text() == "# A card\n"


def test_a_worn_lora_and_a_trained_encoder_are_merged_under_the_released_names(folder, tmp_path):
    from training.policies.lora import Policies

    model = build_robot_model(asked(folder))
    names = set(model.transformer.state_dict())
    policies = Policies(
        model.transformer, ("learner",), rank=2, alpha=2.0, targets=model.lora_targets, whole=model.whole, seed=0
    )
    with torch.no_grad():
        for number, parameter in enumerate(policies.parameters("learner")):
            generator = torch.Generator().manual_seed(number)
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    condition, x = random_contexts(model, 1), model.noise([1])
    with policies.use("learner"):
        wanted = model.denoised(x, torch.ones(1), condition)
    whole = {name: policies.named("learner")[name] for name in policies.whole}
    state = merged(model.transformer, "learner", whole)
    assert set(state) == names
    out = shutil.copytree(folder, tmp_path / "out")
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, out / "model.safetensors")
    got = build_robot_model(asked(out)).denoised(x, torch.ones(1), condition)
    base = model.denoised(x, torch.ones(1), condition)
    assert (got - wanted).abs().max() < 1e-4 * wanted.abs().max() < (wanted - base).abs().max()


def test_a_released_state_dict_goes_there_and_back(folder, model, tmp_path):
    released = {f"vae.{name}": tensor for name, tensor in model.vae.state_dict().items()}
    released |= model.transformer.state_dict() | {"image_encoder.visual.weight": torch.ones(2)}
    torch.save(released, tmp_path / "checkpoint-10000.pt")
    from models.robot.checkpoint import read_robot_file

    robot = read_robot_file(folder / "robot.json")
    out = from_pt(tmp_path / "checkpoint-10000.pt", tmp_path / "out", unet=unet_config(), vae=vae_config(), robot=robot)
    again = build_robot_model(asked(out))
    condition, x = random_contexts(model, 1), model.noise([1])
    assert torch.equal(again.denoised(x, torch.ones(1), condition), model.denoised(x, torch.ones(1), condition))
    back = read_pt(to_pt(out, tmp_path / "back.pt", tmp_path / "checkpoint-10000.pt"))
    assert back.keys() == released.keys() and all(torch.equal(back[name], released[name]) for name in back)


def test_a_pickle_of_anything_else_is_not_read(tmp_path):
    torch.save({"unet.a": slice(1)}, tmp_path / "bad.pt")
    with pytest.raises(ValueError, match=r"bad\.pt (is no \.pt file of tensors alone|holds no state dict)"):
        read_pt(tmp_path / "bad.pt")


def test_the_reference_has_its_names_shapes_and_size():
    with torch.device("meta"):
        network = CtrlWorldNetwork().to("meta")  # diffusers makes a few numbers on the CPU all the same
        assert sum(parameter.numel() for parameter in network.unet.parameters()) == 1_524_623_082
        sample, actions = torch.empty(1, 11, 8, 72, 40), torch.empty(1, 11, 7)
        said = network(sample, torch.empty(1), actions, torch.empty(1, 3))
    assert said.shape == (1, 11, 4, 72, 40)
    encoder = {name: list(t.shape) for name, t in network.state_dict().items() if name.startswith("action_encoder.")}
    assert encoder == {
        "action_encoder.action_encode.0.weight": [1024, 7],
        "action_encoder.action_encode.0.bias": [1024],
        "action_encoder.action_encode.2.weight": [1024, 1024],
        "action_encoder.action_encode.2.bias": [1024],
        "action_encoder.action_encode.4.weight": [1024, 1024],
        "action_encoder.action_encode.4.bias": [1024],
    }


def test_another_view_count_is_refused_unless_the_model_is_adapted(folder):
    with pytest.raises(ValueError, match=r"model\.views is \['top'\], but .* \(1 against 3\).*model\.adapt"):
        build_robot_model(asked(folder, views=("top",)))
    assert build_robot_model(asked(folder, views=("top",), adapt=True)).state_shape == (5, 4, 8, 12)
    with pytest.raises(ValueError, match=r"model\.actions is 4, but .* was trained for 7"):
        build_robot_model(asked(folder, actions=4))
    model = build_robot_model(asked(folder, actions=4, adapt=True))
    assert model.transformer.action_encoder.action_encode[0].weight.shape == (32, 4)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda state: state.pop("unet.conv_in.bias"), r"1 missing: unet\.conv_in\.bias"),
        (lambda state: state.update(other=torch.ones(1)), "1 without a place: other"),
        (lambda state: state["unet.conv_in.bias"].fill_(float("nan")), r"unet\.conv_in\.bias has 32 numbers that are"),
        (
            lambda state: state.update({"unet.conv_in.bias": torch.ones(3)}),
            r"conv_in\.bias is \[3\], but must be \[32\]",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(copy, harm, said):
    state = load_file(copy / "model.safetensors")
    harm(state)
    save_file(state, copy / "model.safetensors")
    with pytest.raises(ValueError, match=said):
        build_robot_model(asked(copy))


@pytest.mark.parametrize(
    ("part", "said"),
    [("vae", "has no vae/"), ("model.safetensors", r"has no model\.safetensors"), ("unet", "has no unet/")],
)
def test_a_missing_part_is_named(copy, part, said):
    options = asked(copy)
    shutil.rmtree(copy / part) if (copy / part).is_dir() else (copy / part).unlink()
    with pytest.raises(FileNotFoundError, match=said):
        build_robot_model(options)


def test_a_folder_without_robot_json_says_how_one_is_made(copy):
    options = asked(copy)
    (copy / "robot.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no robot\.json.*models\.robot\.convert"):
        build_robot_model(options)


def test_a_wrong_robot_json_names_every_mistake(copy):
    (copy / "robot.json").write_text(json.dumps({"views": [], "fpss": 5}))
    with pytest.raises(ValueError, match=r"(?s)robot\.json is wrong:.*views.*fpss"):
        asked(copy)


def test_sizes_that_do_not_halve_are_refused(folder):
    with pytest.raises(ValueError, match=r"model\.height: 17 pixels.*multiple of 2, e\.g\. 16 or 18"):
        build_robot_model(asked(folder, height=17, adapt=True))


def test_a_model_is_described_without_its_weights(copy, model):
    (copy / "model.safetensors").unlink()
    told = describe(asked(copy))
    assert told.parameters == sum(parameter.numel() for parameter in model.transformer.parameters())
    assert (told.tokens, told.state_size, told.pixels) == (11 * 24 * 12, 5 * 4 * 24 * 12, 5 * 3 * 16 * 24)
