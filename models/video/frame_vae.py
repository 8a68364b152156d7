"""A small VAE (the microworld's): each frame on its own through a few convolutions, 4 pixels to a latent cell.

It stands where AutoencoderKLWan stands in a Wan pipeline and answers to the same calls, with a temporal factor of 1: a
video [B, 3, T, H, W] in [-1, 1] has latents [B, C, T, H/4, W/4].
"""

from dataclasses import dataclass

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn


class Residual(nn.Module):
    """x + conv(silu(conv(silu(x)))), 3x3, the same number of channels."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(nn.functional.silu(self.first(nn.functional.silu(x))))


class Refined(nn.Module):
    """A linear map of each cell plus a convolutional correction that begins at zero: as good as PCA from the start."""

    def __init__(self, inputs: int, width: int, outputs: int):
        super().__init__()
        self.linear = nn.Conv2d(inputs, outputs, 1)
        last = nn.Conv2d(width, outputs, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.correction = nn.Sequential(nn.Conv2d(inputs, width, 3, padding=1), Residual(width), Residual(width), last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + self.correction(x)


@dataclass
class Latents:
    """What `encode` returns in diffusers: a distribution, here one point."""

    latents: torch.Tensor

    @property
    def latent_dist(self) -> "Latents":
        return self

    def mode(self) -> torch.Tensor:
        return self.latents

    def sample(self, generator: torch.Generator | None = None) -> torch.Tensor:
        return self.latents


class FrameVAE(ModelMixin, ConfigMixin):
    """A deterministic autoencoder of single frames. `latents_mean` and `latents_std` are per channel, as in Wan."""

    @register_to_config
    def __init__(
        self,
        z_dim: int = 16,
        width: int = 48,
        latents_mean: list[float] | None = None,
        latents_std: list[float] | None = None,
        scale_factor_spatial: int = 4,
        scale_factor_temporal: int = 1,
    ):
        super().__init__()
        self.encoder = Refined(48, width, z_dim)
        self.decoder = Refined(z_dim, width, 48)

    def encode(self, x: torch.Tensor, return_dict: bool = True) -> Latents | tuple[Latents]:
        """Video float [B, 3, T, H, W] in [-1, 1] -> raw latents [B, C, T, H/4, W/4].

        A frame of nothing but zeros, with which Wan pads the first frame to a video, counts as the frame before it. So
        the first frame's latents stand beside every frame: a transformer this small learns slowly to look for them.
        """
        batch, _, frames = x.shape[:3]
        if frames > 1:
            shown = x.ne(0).any(1).flatten(2).any(2)
            shown[:, 0] = True
            place = torch.where(shown, torch.arange(frames, device=x.device), 0).cummax(1).values
            x = x[torch.arange(batch, device=x.device)[:, None], :, place].transpose(1, 2)
        z = self.encoder(nn.functional.pixel_unshuffle(x.transpose(1, 2).flatten(0, 1), 4))
        z = Latents(z.unflatten(0, (batch, frames)).transpose(1, 2))
        return z if return_dict else (z,)

    def decode(self, z: torch.Tensor, return_dict: bool = True):
        """Raw latents [B, C, T, h, w] -> video [B, 3, T, 4h, 4w] in [-1, 1]; a tuple where diffusers asks for one."""
        from diffusers.models.autoencoders.vae import DecoderOutput

        batch, _, frames = z.shape[:3]
        x = nn.functional.pixel_shuffle(self.decoder(z.transpose(1, 2).flatten(0, 1)), 4)
        x = x.unflatten(0, (batch, frames)).transpose(1, 2).clamp(-1, 1)
        return DecoderOutput(sample=x) if return_dict else (x,)
