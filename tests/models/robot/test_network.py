"""The network is diffusers' UNet with a token a frame: the same numbers, and nothing leaks within a batch."""

import copy

import pytest
import torch
from diffusers import UNetSpatioTemporalConditionModel

from models.robot.network import CtrlWorldNetwork
from tests.models.robot.tiny import unet_config

FRAMES = 11


@pytest.fixture(scope="module")
def network() -> CtrlWorldNetwork:
    torch.manual_seed(0)
    return CtrlWorldNetwork(unet_config(), actions=7, frames=FRAMES).eval()


def inputs(batch: int, height: int = 12, width: int = 8, seed: int = 1) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    sample = torch.randn(batch, FRAMES, 8, height, width, generator=generator)
    actions = torch.rand(batch, FRAMES, 7, generator=generator) * 2 - 1
    return sample, torch.linspace(-1, 1, batch), actions, torch.tensor([[7.0, 127.0, 0.0]]).expand(batch, -1)


@pytest.mark.parametrize("size", [(12, 8), (9, 5)], ids=["even", "odd"])
def test_one_token_for_all_frames_gives_what_diffusers_own_forward_gives(network, size):
    plain = UNetSpatioTemporalConditionModel.from_config(network.unet.config).eval()
    plain.load_state_dict(network.unet.state_dict())
    sample, c_noise, _, ids = inputs(2, *size)
    token = torch.randn(2, 1, 32, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        theirs = plain(sample, c_noise, token, ids).sample
        ours = network.unet(sample, c_noise, token.expand(-1, FRAMES, -1), ids)
    assert torch.equal(ours, theirs)


def test_a_batch_equals_its_rows_one_by_one(network):
    given = inputs(4)
    with torch.no_grad():
        together = network(*given)
        alone = torch.cat([network(*(part[i : i + 1] for part in given)) for i in range(4)])
    assert (together - alone).abs().max() < 2e-6 * together.abs().max()


def test_each_frame_follows_its_own_action(network):
    sample, c_noise, actions, ids = inputs(1)
    still = copy.deepcopy(network)
    for name, module in still.unet.named_modules():  # no talk between frames: what is left is a frame's own token
        if name.endswith("time_mixer"):
            module.mix_factor.data.fill_(50.0)  # sigmoid 1: the spatial half alone
    other = actions.clone()
    other[0, 8] += 1
    with torch.no_grad():
        moved = (still(sample, c_noise, other, ids) - still(sample, c_noise, actions, ids)).abs().amax((0, 2, 3, 4))
    assert moved.argmax() == 8 and moved[8] > 0 and moved[torch.arange(FRAMES) != 8].max() < 1e-6


def test_fewer_tokens_than_frames_are_refused_by_name(network):
    sample, c_noise, actions, ids = inputs(2)
    with pytest.raises(ValueError, match=r"tokens are \[2, 5, 32\].*one for each frame"):
        network(sample, c_noise, actions[:, :5], ids)


def test_checkpointing_changes_no_gradient(network):
    gradients = []
    for checkpointing in (False, True):
        one = copy.deepcopy(network).train()
        if checkpointing:
            one.enable_gradient_checkpointing()
        one(*inputs(2)).square().mean().backward()
        gradients.append(one.action_encoder.action_encode[0].weight.grad)
    assert torch.allclose(*gradients, rtol=1e-4, atol=1e-9)
    assert gradients[0].abs().max() > 0


def test_a_text_is_added_to_each_frames_token(network):
    actions, text = inputs(2)[2], torch.arange(32.0).reshape(2, 16)
    added = network.tokens(actions, text=text) - network.tokens(actions)
    assert torch.allclose(added, torch.cat([text, text], 1)[:, None].expand(-1, FRAMES, -1), atol=1e-5)


def test_without_frame_level_one_token_of_all_actions_serves_every_frame():
    network = CtrlWorldNetwork(unet_config(), actions=7, frames=FRAMES, frame_level=False)
    tokens = network.tokens(inputs(2)[2])
    assert tokens.shape == (2, FRAMES, 32) and torch.equal(tokens[:, :1].expand_as(tokens), tokens)
