"""What the base can do on episodes of the val split: one chunk, whole rollouts, and whether it follows actions."""

from pathlib import Path

import numpy as np
import torch

from microworld.robot.model.options import RobotBaseOptions
from microworld.robot.model.parts import DECODED, FRAMES, HISTORY
from microworld.robot.model.world_training import Episodes, draw_places, read_episodes, take, validation
from models.robot.build_robot_model import build_robot_model
from models.robot.checkpoint import options_for
from models.robot.protocol import RobotWorldModel
from robots.timing import History, Timing

MOST_PSNR = 60.0
CHUNKS = 14
STARTS = (0, 20, 40)  # of the single chunks: beginnings, and the middle of what happens
RESAMPLES = 2000


def psnr(made: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """PSNR in dB of frames uint8 [..., H, W, 3], at most 60: float64 [...]."""
    wrong = ((made.astype(np.float64) - truth) ** 2).mean((-3, -2, -1))
    return np.minimum(MOST_PSNR, 10 * np.log10(255**2 / np.maximum(wrong, 1e-9)))


def open_base(folder: Path) -> RobotWorldModel:
    """The checkpoint as its users open it, in float32 on the CPU."""
    return build_robot_model(options_for(folder, dtype="float32", device="cpu", decode_chunk=DECODED))


def score(folder: Path, data: Path, encoded: Path, options: RobotBaseOptions) -> dict:
    """Numbers for base.json, PSNR in dB by view."""
    model, val = open_base(folder), read_episodes(data, encoded, "val")
    frames = np.load(data / "val_frames.npy", mmap_mode="r")
    return {
        "one_chunk": one_chunk(model, val, frames, options),
        "rollout": rollout(model, val, frames, options),
        "action_shuffle": action_shuffle(model, val, options),
    }


def one_chunk(model: RobotWorldModel, val: Episodes, frames: np.ndarray, options: RobotBaseOptions) -> dict:
    """Chunks from true histories: the mean PSNR of new frames 1..4, [frames][views], and that of the current frame
    shown all along."""
    made, truth, still = [], [], []
    for start in STARTS:
        for at in range(0, min(options.scored, len(val)), 20):
            numbers = range(at, min(at + 20, options.scored, len(val)))
            # the chunk that begins at row `start` of a rollout from row 0, histories and all
            chunks = take(val, [(n, 0, start // (FRAMES - 1), "replay") for n in numbers])
            condition = model.context(chunks.history, chunks.chunk[:, 0], chunks.actions)
            clean = model.sample_chunk(condition, [1000 * start + n for n in numbers], options.sampler_steps)
            made.append(model.decode(clean).numpy()[:, 1:])
            truth.append(np.stack([frames[n, start + 1 : start + FRAMES] for n in numbers]))
            still.append(np.stack([np.repeat(frames[n, start][None], FRAMES - 1, 0) for n in numbers]))
    true = np.concatenate(truth)
    return {
        "model": _rounded(psnr(np.concatenate(made), true).mean(0)),
        "current_frame_held": _rounded(psnr(np.concatenate(still), true).mean(0)),
    }


@torch.no_grad()
def rollout(model: RobotWorldModel, val: Episodes, frames: np.ndarray, options: RobotBaseOptions) -> dict:
    """Closed loop from row 0 over CHUNKS chunks: the mean PSNR of each chunk's new frames, [chunks][views], and that of
    the first frame shown all along."""
    timing, count = Timing(HISTORY, FRAMES), min(options.scored, len(val))
    true = np.asarray(frames[:count, : timing.unique(CHUNKS)])
    current = torch.from_numpy(np.asarray(val.latents[:count, 0])).float()
    history: History[torch.Tensor] = History(timing)
    history.begin(current)
    curve = []
    for chunk in range(CHUNKS):
        now = chunk * timing.new
        actions = torch.from_numpy(np.ascontiguousarray(val.actions[:count][:, timing.action_rows(0, chunk)]))
        condition = model.context(torch.stack(history.taken(now), 1), current, actions)
        clean = model.sample_chunk(condition, [n + 1000 * chunk for n in range(count)], options.sampler_steps)
        curve.append(psnr(model.decode(clean).numpy()[:, 1:], true[:, now + 1 : now + FRAMES]).mean((0, 1)))
        current = model.unstack(clean)[:, -1]
        history.add(current, now + timing.new)
    held = psnr(np.repeat(true[:, :1], true.shape[1] - 1, 1), true[:, 1:])
    held = held.reshape(count, CHUNKS, timing.new, -1).mean((0, 2))
    return {"episodes": count, "model": _rounded(np.stack(curve)), "first_frame_held": _rounded(held)}


def action_shuffle(model: RobotWorldModel, val: Episodes, options: RobotBaseOptions) -> dict:
    """The validation loss under the right actions and under those of another episode at the same rows: the mean of the
    paired differences and its 95 % interval (bootstrap)."""
    numbers = range(options.val_chunks)
    rng = np.random.default_rng([options.seed, 3])
    places = draw_places(val, options.val_chunks, options.replay_share, rng)
    others = np.array([(place[0] + 1 + rng.integers(len(val) - 1)) % len(val) for place in places])
    right = validation(model, val, options, numbers).numpy()
    wrong = validation(model, val, options, numbers, others).numpy()
    gaps = (wrong - right).astype(np.float64)
    means = gaps[rng.integers(0, len(gaps), (RESAMPLES, len(gaps)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {
        "right": round(float(right.mean()), 5),
        "wrong": round(float(wrong.mean()), 5),
        "gap": round(float(gaps.mean()), 5),
        "interval": [round(float(low), 5), round(float(high), 5)],
        "larger_under_wrong": round(float((gaps > 0).mean()), 4),
    }


def _rounded(values: np.ndarray) -> list:
    return np.round(values, 2).tolist()
