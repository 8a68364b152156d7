"""Latents of all episodes, by several processes into one file a split."""

from pathlib import Path

import numpy as np
import torch

from microworld.robot.model.options import RobotBaseOptions
from microworld.robot.model.parts import CHANNELS, in_training, make_network, read_vae
from microworld.robot.model.together import together
from storage.folders import building

SPLITS = ("train", "val")
PICTURES = 16  # encoded at once: larger batches leave the cache and are slower


def encode_all(options: RobotBaseOptions, data: Path, vae: Path, out: Path) -> None:
    """Writes `out`/SPLIT_latents.npy, float16 [N, rows, V, C, h, w], scaled: each frame as a user's episodes are."""
    if out.exists():
        return
    with building(out) as folder:
        for split in SPLITS:
            shape = np.load(data / f"{split}_frames.npy", mmap_mode="r").shape
            sides = (shape[3] // 4, shape[4] // 4)
            np.lib.format.open_memmap(
                folder / f"{split}_latents.npy", "w+", np.float16, (*shape[:3], CHANNELS, *sides)
            ).flush()
        together(_encode, options.processes, data, vae, folder)


def _encode(rank: int, processes: int, data: Path, vae: Path, folder: Path) -> None:
    model = in_training(make_network(0), read_vae(vae))
    model.vae_batch = PICTURES
    for split in SPLITS:
        frames = np.load(data / f"{split}_frames.npy", mmap_mode="r")
        latents = np.lib.format.open_memmap(folder / f"{split}_latents.npy", "r+")
        for at in range(rank, len(frames), processes):
            latents[at] = model.encode_views(torch.from_numpy(np.array(frames[at]))).numpy()
        latents.flush()
