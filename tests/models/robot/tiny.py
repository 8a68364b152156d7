"""A tiny robot world model with random weights: the real classes of diffusers, in the layout that is read."""

from pathlib import Path


def unet_config(latent_channels: int = 4, channels: tuple[int, ...] = (32, 64), width: int = 32) -> dict:
    """The config of a UNetSpatioTemporalConditionModel of as many levels as `channels`, tokens of `width` numbers."""
    levels = len(channels)
    return {
        "in_channels": 2 * latent_channels,
        "out_channels": latent_channels,
        "down_block_types": ["CrossAttnDownBlockSpatioTemporal"] * (levels - 1) + ["DownBlockSpatioTemporal"],
        "up_block_types": ["UpBlockSpatioTemporal"] + ["CrossAttnUpBlockSpatioTemporal"] * (levels - 1),
        "block_out_channels": list(channels),
        "addition_time_embed_dim": 16,
        "projection_class_embeddings_input_dim": 48,
        "layers_per_block": 1,
        "cross_attention_dim": width,
        "num_attention_heads": [1] * levels,
    }


def vae_config(latent_channels: int = 4, levels: int = 2) -> dict:
    """The config of an AutoencoderKLTemporalDecoder whose latents have 2^(levels - 1) pixels a side."""
    return {
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "block_out_channels": [32] * levels,
        "layers_per_block": 1,
        "latent_channels": latent_channels,
        "sample_size": 32,
        "scaling_factor": 0.18215,
    }


def tiny_checkpoint(
    folder: Path,
    views: int = 3,
    height: int = 16,
    width: int = 24,
    actions: int = 7,
    latent_channels: int = 4,
    history: int = 6,
    frames: int = 5,
    contract: str = "",
    statistics: dict | None = None,
    seed: int = 0,
    text: bool = False,
) -> Path:
    """Writes one into `folder`, the same for the same arguments, and gives the folder back: latents of 2 x 2 pixels,
    1.5 million numbers in all (6 MB). models.robot.checkpoint.options_for(folder, dtype="float32", device="cpu") asks
    for it.
    """
    import torch
    from diffusers import AutoencoderKLTemporalDecoder

    from models.robot.export import write_robot_model
    from models.robot.network import CtrlWorldNetwork
    from models.robot.options import RobotFile

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = CtrlWorldNetwork(unet_config(latent_channels), actions, history + frames)
        vae = AutoencoderKLTemporalDecoder(**vae_config(latent_channels))
    robot = RobotFile(
        views=("external_1", "external_2", "wrist")[-views:],
        height=height,
        width=width,
        history=history,
        frames=frames,
        actions=actions,
        text=text,
        contract=contract,
    )
    write_robot_model(folder, network, vae, robot, statistics=statistics)
    if text:
        _text_encoder(folder)
    return folder


def _text_encoder(folder: Path) -> None:
    """CLIP's text encoder and tokenizer, 16 numbers for a text."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    from tests.models.video.tiny_video import byte_tokenizer

    tokenizer = byte_tokenizer(bos_token="<|im_start|>", model_max_length=77)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=2,
        projection_dim=16,
        eos_token_id=tokenizer.eos_token_id,
    )
    CLIPTextModelWithProjection(config).save_pretrained(folder / "text_encoder")
    tokenizer.save_pretrained(folder / "tokenizer")
