"""Training of the tiny VAE: diffusers' own class with the temporal decoder, by mean squared error and a little KL."""

import json
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLTemporalDecoder
from torch import Tensor

from microworld.robot.model.options import RobotBaseOptions
from microworld.robot.model.parts import make_vae, read_vae
from microworld.robot.model.rates import cosine, say
from microworld.robot.model.together import step, together
from storage.folders import building

WINDOWS = (1, 2, 4, 5, 5, 7)  # frames decoded together: chunks most of all, but fewer and more decode well too


def fit_vae(options: RobotBaseOptions, data: Path, out: Path) -> None:
    """Trains the VAE on the frames in `data` and writes it to `out` with vae.json: its curve and its PSNR."""
    if not out.exists():
        together(_fit, options.processes, options, data, out)


def _fit(rank: int, processes: int, options: RobotBaseOptions, data: Path, out: Path) -> None:
    frames = np.load(data / "train_frames.npy", mmap_mode="r")
    vae = read_vae(Path(options.vae_from)).requires_grad_(True) if options.vae_from else make_vae(options.seed)
    vae.train()
    trained = list(vae.parameters())
    optimizer = torch.optim.AdamW(trained, options.vae_rate, betas=(0.9, 0.98), weight_decay=1e-4)
    rng, start, losses = np.random.default_rng([options.seed, 1, rank]), time.perf_counter(), []
    torch.manual_seed(options.seed + rank)
    for number in range(options.vae_steps):
        window = int(rng.choice(WINDOWS))
        x = windows(frames, max(1, options.vae_batch // window), window, rng)
        posterior = vae.encode(x.flatten(0, 1)).latent_dist
        wrong = vae.decode(posterior.sample(), num_frames=window).sample - x.flatten(0, 1)
        mse = wrong.square().mean()
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        (mse + options.vae_kl * kl).backward()
        step(optimizer, trained, cosine(number, options.vae_steps, options.vae_rate))
        losses.append(float(mse))
        if rank == 0:
            say("vae", number, options.vae_steps, losses, start)
    if rank == 0:
        finish(vae.eval(), frames, losses, np.load(data / "val_frames.npy", mmap_mode="r"), out)


def windows(frames: np.ndarray, count: int, window: int, rng: np.random.Generator) -> Tensor:
    """`count` windows of `window` rows in a row, each of one view: float [count, window, 3, H, W] in [-1, 1]."""
    episodes, views = rng.integers(0, len(frames), count), rng.integers(0, frames.shape[2], count)
    starts = rng.integers(0, frames.shape[1] - window + 1, count)
    taken = [frames[e, s : s + window, v] for e, s, v in zip(episodes, starts, views, strict=True)]
    return torch.from_numpy(np.stack(taken)).movedim(-1, 2).float() / 127.5 - 1


@torch.no_grad()
def finish(
    vae: AutoencoderKLTemporalDecoder, frames: np.ndarray, losses: list[float], val: np.ndarray, out: Path
) -> None:
    """Sets the scaling factor: scaled latents have standard deviation 1. Writes the VAE in half precision."""
    rng = np.random.default_rng(0)
    latents = vae.encode(windows(frames, 500, 1, rng).flatten(0, 1)).latent_dist.mode()
    vae.register_to_config(scaling_factor=round(1 / float(latents.std()), 4))
    curve = [round(float(np.mean(losses[at : at + 50])), 5) for at in range(0, len(losses), 50)]
    with building(out) as folder:
        vae.half().save_pretrained(folder)
        spread = [round(float(one), 3) for one in (latents * vae.config.scaling_factor).std((0, 2, 3))]
        said = {"mse_of_50_steps": curve, "std_of_channels": spread, "psnr_db": floor(read_vae(folder), val)}
        (folder / "vae.json").write_text(json.dumps(said, indent=1) + "\n")


@torch.no_grad()
def floor(vae: AutoencoderKLTemporalDecoder, val: np.ndarray, episodes: int = 40, frames: int = 5) -> list[float]:
    """PSNR in dB of held-out frames encoded and decoded, by view: what the world model's can be at most."""
    found = []
    for view in range(val.shape[2]):
        x = torch.from_numpy(np.stack([one[20 : 20 + frames, view] for one in val[:episodes]])).movedim(-1, 2)
        latents = vae.encode(x.flatten(0, 1).float() / 127.5 - 1).latent_dist.mode()
        unit = vae.decode(latents, num_frames=frames).sample.clamp(-1, 1)
        wrong = ((unit + 1) * 127.5).round() - x.flatten(0, 1)
        found.append(round(float((10 * torch.log10(255**2 / wrong.square().mean((1, 2, 3)))).mean()), 2))
    return found
