"""From a job to encoded episodes: the model's VAE over every view of every kept episode, and how good that VAE is."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.robot.build_robot_model import build_robot_model, identify_latents
from models.robot.encode_options import EpisodeLatentsOptions
from models.robot.protocol import RobotWorldModel
from robots.episode_table import recordings
from robots.statistics import read_statistics
from robots.write_encoded import Encoding, Recording, write_encoded
from storage.notes import kept_note, write_note

LOG = logging.getLogger("wmsd")
ROWS_A_TIME = 4  # decoded again of each batch of an episode, until there are `floor_rows`
MOST_PSNR = 60.0


def encode(job: dict[str, Any]) -> dict[str, Any]:
    """Encodes what a job describes; returns facts about what was done.

    `job` is JSON: `options` (EpisodeLatentsOptions), `out`, `tables` (of `episodes`), `shards` to encode, `statistics`
    (a file), `contract`. A model is loaded only where something is left to encode.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options, out = EpisodeLatentsOptions(**job["options"]), Path(job["out"])
    model = options.model
    encoding = Encoding(
        identify_latents(model),
        job["contract"],
        model.views,
        model.height,
        model.width,
        options.dtype,
        options.pixels,
        options.batch,
    )
    vae = Encoder(lambda: build_robot_model(model), model.views, options.floor_rows)
    done = write_encoded(
        out,
        recordings(map(Path, job["tables"])),
        vae,
        encoding,
        read_statistics(Path(job["statistics"])),
        shards=set(job["shards"]),
        done=_tell,
    )
    floor = out / "vae_floor.json"
    if measured := vae.floor():
        write_note(floor, measured)
    else:
        measured = kept_note(floor)
    counts = {
        "episodes": done.episodes,
        "rows": done.rows,
        "encoded": done.encoded,
        "reused": done.reused,
        "left out": done.left_out,
        "bytes": done.bytes,
        "seconds": round(done.seconds, 3),
        "rows a second": round(vae.rows / done.seconds, 2) if vae.rows else 0.0,
    }
    return counts | {f"VAE alone, PSNR of {view} in dB": round(value, 2) for view, value in measured.items()}


def _tell(recording: Recording) -> None:
    LOG.info("encoded episode %s (%d rows)", recording.episode.episode_id, recording.episode.frames)


class Encoder:
    """The model's VAE as a function of NumPy arrays, loaded when it is first called. It also decodes `floor_rows` rows
    again: metrics of generated frames can be no better than what the VAE alone leaves."""

    def __init__(self, build: Callable[[], RobotWorldModel], views: tuple[str, ...], floor_rows: int):
        self._build, self.views, self.left = build, views, floor_rows
        self.model: RobotWorldModel | None = None
        self.rows = 0
        self.squares, self.numbers = np.zeros(len(views)), 0

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """uint8 [n, V, H, W, 3] RGB -> scaled latents float32 [n, V, C, h, w]."""
        if self.model is None:
            self.model = self._build()
        latents = self.model.encode_views(torch.from_numpy(np.ascontiguousarray(frames)))
        some = min(self.left, len(frames), ROWS_A_TIME)
        if some:
            error = self.model.decode_views(latents[:some]).numpy().astype(np.float64) - frames[:some]
            self.squares += (error**2).sum(axis=(0, 2, 3, 4))
            self.numbers += error[:, 0].size
            self.left -= some
        self.rows += len(frames)
        return latents.cpu().numpy()

    def floor(self) -> dict[str, float]:
        """PSNR in dB of encoded and decoded frames against the pixels, by view; {} where nothing was encoded."""
        if not self.numbers:
            return {}
        mse = np.maximum(self.squares / self.numbers / 255**2, 10 ** (-MOST_PSNR / 10))
        return dict(zip(self.views, (-10 * np.log10(mse)).tolist(), strict=True))
