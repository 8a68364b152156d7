"""A tiny robot world model with random weights: the real classes of diffusers, in the layout that is read."""


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
