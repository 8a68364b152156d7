"""The robot microworld's own world model: Ctrl-World's network and Stable Video Diffusion's VAE, tiny.

Widths are multiples of 32 since diffusers' group norms have 32 groups.
"""

from pathlib import Path

import torch
from diffusers import AutoencoderKLTemporalDecoder

from microworld.robot import sizes
from models.robot.ctrl_world import CtrlWorld
from models.robot.network import CtrlWorldNetwork
from models.robot.options import RobotFile, RobotModelOptions, RobotSettings

CHANNELS = 8  # of the latents: 32 x 32 x 3 numbers of a view become 8 x 8 x 8
HISTORY, FRAMES, ACTIONS = 6, 5, 7
SIGMA_MIN, SIGMA_MAX = 0.1, 20.0  # latents have std 1; below .1 nothing is seen, above 20 there is only noise
DECODED = FRAMES  # frames of a view decoded together

VAE = {
    "block_out_channels": (32, 32, 64),
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "layers_per_block": 1,
    "latent_channels": CHANNELS,
    "sample_size": sizes.SIDE_PX,
    "force_upcast": False,
}
# Attention, and so the actions, at the lowest level and in the middle: on a CPU a forward pass costs 17 ms a chunk, and
# 24 ms with attention one level higher.
UNET = {
    "sample_size": 8,
    "in_channels": 2 * CHANNELS,
    "out_channels": CHANNELS,
    "block_out_channels": (32, 32, 64),
    "down_block_types": (*("DownBlockSpatioTemporal",) * 2, "CrossAttnDownBlockSpatioTemporal"),
    "up_block_types": ("CrossAttnUpBlockSpatioTemporal", *("UpBlockSpatioTemporal",) * 2),
    "layers_per_block": 1,
    "transformer_layers_per_block": 1,
    "num_attention_heads": (2, 2, 2),
    "cross_attention_dim": 64,
    "addition_time_embed_dim": 32,
    "projection_class_embeddings_input_dim": 96,
}


def settings() -> dict:
    """What the base is trained for, as RobotSettings takes it."""
    return {
        "views": sizes.VIEWS,
        "height": sizes.SIDE_PX,
        "width": sizes.SIDE_PX,
        "history": HISTORY,
        "frames": FRAMES,
        "actions": ACTIONS,
        "fps": sizes.FPS,
        "sigma_min": SIGMA_MIN,
        "sigma_max": SIGMA_MAX,
    }


def robot_file() -> RobotFile:
    return RobotFile(**RobotSettings(**settings()).model_dump(), contract="microworld", pattern="mixed")


def make_vae(seed: int) -> AutoencoderKLTemporalDecoder:
    torch.manual_seed(seed)
    return AutoencoderKLTemporalDecoder(**VAE)


def make_network(seed: int) -> CtrlWorldNetwork:
    torch.manual_seed(seed)
    return CtrlWorldNetwork(UNET, ACTIONS, HISTORY + FRAMES)


def in_training(network: CtrlWorldNetwork, vae: AutoencoderKLTemporalDecoder) -> CtrlWorld:
    """The adapter around parts that have no folder yet."""
    options = RobotModelOptions(**settings(), path="(in training)", dtype="float32", device="cpu", decode_chunk=DECODED)
    return CtrlWorld(network, vae, options, "in training", "in training", torch.device("cpu"))


def read_vae(folder: Path) -> AutoencoderKLTemporalDecoder:
    return AutoencoderKLTemporalDecoder.from_pretrained(folder, torch_dtype=torch.float32).eval().requires_grad_(False)
