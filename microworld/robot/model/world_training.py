"""Teacher forcing: the tiny world model learns a chunk's latents from true history, true current frame and actions.

The loss is Ctrl-World's: (sigma^2 + 1) / sigma^2 |D - x0|^2 over the chunk's frames, ln sigma normal. The model is the
moving average of the weights.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from microworld.robot.model.options import RobotBaseOptions
from microworld.robot.model.parts import FRAMES, HISTORY, in_training, make_network, read_vae
from microworld.robot.model.rates import cosine, say
from microworld.robot.model.together import mean_of_all, step, together
from models.robot.ctrl_world import CtrlWorld
from models.robot.export import write_state
from models.video.flow import along
from models.video.protocol import Condition
from robots.statistics import read_statistics
from robots.timing import Timing
from storage.folders import building
from storage.json_files import read_object

WEIGHTS, CURVE = "model.safetensors", "curve.json"
TIMINGS = {pattern: Timing(HISTORY, FRAMES, 1, pattern) for pattern in ("replay", "training")}


@dataclass(frozen=True)
class Episodes:
    """latents float16 [N, rows, V, C, h, w], scaled; actions float32 [N, rows, 7], normalised."""

    latents: np.ndarray
    actions: np.ndarray

    def __len__(self) -> int:
        return len(self.actions)


def read_episodes(data: Path, encoded: Path, split: str) -> Episodes:
    statistics = read_statistics(data / "statistics.json")
    return Episodes(
        np.load(encoded / f"{split}_latents.npy", mmap_mode="r"),
        statistics.normalised(np.load(data / f"{split}_states.npy")),
    )


@dataclass(frozen=True)
class Chunks:
    """B chunks with what they follow from: history float32 [B, H, V, C, h, w], chunk [B, frames, V, C, h, w],
    actions [B, H + frames, 7], and the `places` (episode, start, chunk, pattern) they are from."""

    history: Tensor
    chunk: Tensor
    actions: Tensor
    places: list[tuple[int, int, int, str]]


def draw_places(
    episodes: Episodes, count: int, replay_share: float, rng: np.random.Generator
) -> list[tuple[int, int, int, str]]:
    """Chunks of rollouts: any that an episode has room for, so that histories fill up as they do in rollouts."""
    rows, places = episodes.actions.shape[1], []
    for _ in range(count):
        pattern = "replay" if rng.random() < replay_share else "training"
        chunk = int(rng.integers(TIMINGS[pattern].longest(rows)))
        start = int(rng.choice(TIMINGS[pattern].starts(rows, chunk + 1)))
        places.append((int(rng.integers(len(episodes))), start, chunk, pattern))
    return places


def take(episodes: Episodes, places: list[tuple[int, int, int, str]]) -> Chunks:
    history, chunk, actions = [], [], []
    for episode, start, number, pattern in places:
        timing = TIMINGS[pattern]
        history.append(episodes.latents[episode][timing.history_rows(start, number)])
        chunk.append(episodes.latents[episode][timing.chunk_rows(start, number)])
        actions.append(episodes.actions[episode][timing.action_rows(start, number)])
    arrays = (torch.from_numpy(np.stack(one)).float() for one in (history, chunk, actions))
    return Chunks(*arrays, places)


def losses(model: CtrlWorld, chunks: Chunks, condition: Condition, sigma: Tensor, noise: Tensor) -> Tensor:
    """The weighted loss of each chunk, [B], at levels sigma [B]."""
    x0 = model.stack(chunks.chunk)
    denoised = model.denoised(model.noised(x0, noise, sigma), sigma, condition)
    weight = along((sigma.square() + 1) / sigma.square(), x0)
    return (weight * (denoised - x0).square()).flatten(1).mean(1)


def fit_world(options: RobotBaseOptions, data: Path, vae: Path, encoded: Path, out: Path) -> None:
    """Trains the world model and writes `out`: model.safetensors (the average, half precision) and curve.json."""
    if not out.exists():
        together(_fit, options.processes, options, data, vae, encoded, out)


def _fit(rank: int, processes: int, options: RobotBaseOptions, data: Path, vae: Path, encoded: Path, out: Path) -> None:
    train, val = (read_episodes(data, encoded, split) for split in ("train", "val"))
    network, average = make_network(options.seed).train(), make_network(options.seed).eval().requires_grad_(False)
    curve, before, minutes = [], 0, 0.0
    if options.world_from:
        for one in (network, average):
            one.load_state_dict(load_file(Path(options.world_from) / WEIGHTS))
        earlier = read_object(Path(options.world_from) / CURVE)
        curve, before, minutes = list(earlier["curve"]), earlier["curve"][-1]["step"], earlier["minutes"]
    model, averaged = in_training(network, read_vae(vae)), in_training(average, read_vae(vae))
    trained, kept = list(network.parameters()), list(average.parameters())
    optimizer = torch.optim.AdamW(trained, options.rate, betas=(0.9, 0.98), weight_decay=1e-3)
    rng, generator = (
        np.random.default_rng([options.seed, 2, rank, before]),
        torch.Generator().manual_seed(7 + rank + before),
    )
    mine = range(rank, options.val_chunks, processes)
    points = {round(options.steps * (n + 1) / options.evaluations) for n in range(options.evaluations)}
    said, start = [], time.perf_counter()
    for number in range(options.steps):
        chunks = take(train, draw_places(train, options.batch, options.replay_share, rng))
        sigma = (options.p_mean + options.p_std * torch.randn(options.batch, generator=generator)).exp()
        noise = torch.randn((options.batch, *model.state_shape), generator=generator)
        level = options.history_noise * torch.rand(options.batch, generator=generator)
        history = chunks.history
        if options.history_noise:
            history = history + along(level, history) * torch.randn(history.shape, generator=generator)
        condition = model.context(history, chunks.chunk[:, 0], chunks.actions)
        condition = model.unheard(condition, torch.rand(options.batch, generator=generator) < options.dropout)
        loss = losses(model, chunks, condition, sigma, noise).mean()
        loss.backward()
        step(optimizer, trained, cosine(number, options.steps, options.rate))
        torch._foreach_lerp_(kept, [p.detach() for p in trained], 1 - min(options.ema, (2 + number) / (11 + number)))
        said.append(float(loss))
        if rank == 0:
            say("world", number, options.steps, said, start)
        if number + 1 in points:
            mean = float(mean_of_all([float(validation(averaged, val, options, mine).mean())])[0])
            curve.append({"step": before + number + 1, "train": sum(said[-50:]) / len(said[-50:]), "val": mean})
            if rank == 0:
                print(f"world {number + 1}: validation loss {mean:.5f}", flush=True)
    if rank == 0:
        with building(out) as folder:
            write_state(folder / WEIGHTS, {name: one.half() for name, one in average.state_dict().items()})
            facts = {"minutes": round(minutes + (time.perf_counter() - start) / 60, 1), "curve": curve}
            (folder / CURVE).write_text(json.dumps(facts, indent=1) + "\n")


@torch.no_grad()
def validation(
    model: CtrlWorld, val: Episodes, options: RobotBaseOptions, numbers: range, told: np.ndarray | None = None
) -> Tensor:
    """The loss of chunks `numbers` of the validation set [len(numbers)]: places, levels (evenly spread quantiles) and
    noise are those of the seed. With `told`, an episode for each number, the actions are that episode's."""
    rng = np.random.default_rng([options.seed, 3])
    places = draw_places(val, options.val_chunks, options.replay_share, rng)
    share = (torch.arange(options.val_chunks, dtype=torch.float64) + 0.5) / options.val_chunks
    sigma = (options.p_mean + options.p_std * torch.special.ndtri(share)).exp().float()
    noise = model.noise(range(options.val_chunks))
    found = []
    for at in range(0, len(numbers), 16):
        some = list(numbers[at : at + 16])
        chunks = take(val, [places[n] for n in some])
        actions = chunks.actions
        if told is not None:
            actions = take(val, [(int(told[n]), *places[n][1:]) for n in some]).actions
        condition = model.context(chunks.history, chunks.chunk[:, 0], actions)
        found.append(losses(model, chunks, condition, sigma[some], noise[some]))
    return torch.cat(found)
