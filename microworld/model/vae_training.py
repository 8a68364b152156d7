"""Training of the microworld's VAE: PCA as a start, then convolutions around it, then the decoder once more."""

import numpy as np
import torch
from torch import Tensor, nn

from models.video.frame_vae import FrameVAE

BATCH = 96
NOISE = 0.05  # on latents while training, so that generated ones decode well too


def _frames(pixels: np.ndarray, rng: np.random.Generator) -> Tensor:
    """BATCH random frames of clips uint8 [N, T, H, W, 3] as float [BATCH, 3, H, W] in [-1, 1]."""
    clips, frames = rng.integers(0, len(pixels), BATCH), rng.integers(0, pixels.shape[1], BATCH)
    chosen = torch.from_numpy(pixels[clips, frames])
    return chosen.permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.no_grad()
def start_from_pca(vae: FrameVAE, pixels: np.ndarray, rng: np.random.Generator) -> None:
    """Sets the linear parts of encoder and decoder to the principal components of 4 x 4 patches, whitened."""
    frames = torch.cat([_frames(pixels, rng) for _ in range(40)])
    patches = nn.functional.pixel_unshuffle(frames, 4).permute(0, 2, 3, 1).reshape(-1, 48)
    mean = patches.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((patches - mean).T))
    components = vectors.flip(1)[:, : vae.config.z_dim]
    scale = values.flip(0)[: vae.config.z_dim].sqrt()
    vae.encoder.linear.weight.copy_((components / scale).T[:, :, None, None])
    vae.encoder.linear.bias.copy_(-(mean @ components) / scale)
    vae.decoder.linear.weight.copy_((components * scale)[:, :, None, None])
    vae.decoder.linear.bias.copy_(mean)


def fit_vae(vae: FrameVAE, pixels: np.ndarray, steps: int, rng: np.random.Generator) -> None:
    """Encoder and decoder together: squared and absolute error, a little weight on the latents' size."""
    start_from_pca(vae, pixels, rng)
    optimizer = torch.optim.AdamW(vae.parameters(), 2e-3, weight_decay=0)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 2e-3 * min(1, step / 50) * (1 - step / steps) + 1e-5
        x = _frames(pixels, rng)
        latents = vae.encode(x[:, :, None]).latents[:, :, 0]
        wrong = decode(vae, latents + NOISE * torch.randn_like(latents)) - x
        loss = wrong.square().mean() + 0.1 * wrong.abs().mean() + 1e-4 * latents.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def fit_decoder(vae: FrameVAE, pixels: np.ndarray, steps: int, rng: np.random.Generator) -> None:
    """The decoder alone, with things counting five times the background: shapes are what pictures are read by."""
    with torch.no_grad():
        spread = vae.encode(_frames(pixels, rng)[:, :, None]).latents.std((0, 2, 3, 4)).view(1, -1, 1, 1)
    optimizer = torch.optim.AdamW(vae.decoder.parameters(), 1.5e-3, weight_decay=0)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 1.5e-3 * min(1, step / 50) * (1 - step / steps) + 1e-5
        x = _frames(pixels, rng)
        with torch.no_grad():
            latents = vae.encode(x[:, :, None]).latents[:, :, 0]
        wrong = decode(vae, latents + 0.06 * spread * torch.randn_like(latents)) - x
        loss = (things(x) * (wrong.square() + 0.1 * wrong.abs())).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def things(x: Tensor) -> Tensor:
    """Weights float [B, 1, H, W]: 5 on and beside saturated or dark pixels, 1 elsewhere."""
    brightest, darkest = x.max(1, keepdim=True).values, x.min(1, keepdim=True).values
    marked = ((brightest - darkest > 0.5) | (brightest < -0.3)).float()
    return nn.functional.max_pool2d(1 + 4 * marked, 3, 1, 1)


def decode(vae: FrameVAE, latents: Tensor) -> Tensor:
    """Frames [B, 3, H, W] without the clamp of `FrameVAE.decode`, which has no gradient outside."""
    return nn.functional.pixel_shuffle(vae.decoder(latents), 4)


def measure_latents(vae: FrameVAE, pixels: np.ndarray) -> None:
    """Writes the mean and std of each latent channel into the VAE's config, from the first 2,000 clips."""
    sample = encode(vae, pixels[:2000])
    mean, std = sample.mean((0, 2, 3, 4)), sample.std((0, 2, 3, 4))
    vae.register_to_config(latents_mean=mean.tolist(), latents_std=std.tolist())


def normalised_latents(vae: FrameVAE, pixels: np.ndarray) -> Tensor:
    """Latents float16 [N, C, T, h, w] of clips uint8 [N, T, H, W, 3], normalised by what the VAE's config says."""
    mean, std = (torch.tensor(vae.config[name]).view(-1, 1, 1, 1) for name in ("latents_mean", "latents_std"))
    return torch.cat([((encode(vae, pixels[i : i + 100]) - mean) / std).half() for i in range(0, len(pixels), 100)])


@torch.no_grad()
def encode(vae: FrameVAE, pixels: np.ndarray) -> Tensor:
    """Raw latents float32 [N, C, T, h, w] of clips uint8 [N, T, H, W, 3]."""
    parts = [torch.from_numpy(pixels[i : i + 100]).permute(0, 4, 1, 2, 3) for i in range(0, len(pixels), 100)]
    return torch.cat([vae.encode(part.float() / 127.5 - 1).latents for part in parts])
