"""Episodes of the robot microworld as arrays on disk, which several processes read without a copy each."""

import json
from pathlib import Path

import numpy as np

from microworld.robot import sizes
from microworld.robot.episodes import make_episodes
from robots.quantiles import StreamingQuantiles
from robots.statistics import write_statistics

COLUMNS = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")


def draw(folder: Path, counts: dict[str, int], seed: int, workers: int) -> None:
    """Draws episodes and puts each split's frames uint8 [N, rows, V, H, W, 3] and states float64 [N, rows, 7] in one
    file each; statistics.json is of the train split."""
    if (folder / "statistics.json").exists():
        return
    make_episodes(folder / "episodes", counts, seed, workers)
    names = json.loads((folder / "episodes" / "episodes.json").read_text())
    for split in counts:
        mine = [row["episode_id"] for row in names if row["split"] == split]
        shape = (len(mine), sizes.ROWS, len(sizes.VIEWS), sizes.SIDE_PX, sizes.SIDE_PX, 3)
        frames = np.lib.format.open_memmap(folder / f"{split}_frames.npy", "w+", np.uint8, shape)
        states = np.zeros((*shape[:2], len(COLUMNS)))
        for at, name in enumerate(mine):
            with np.load(folder / "episodes" / "episodes" / f"{name}.npz", allow_pickle=False) as episode:
                frames[at], states[at] = episode["frames"], episode["states"]
        frames.flush()
        np.save(folder / f"{split}_states.npy", states)
    quantiles = StreamingQuantiles(COLUMNS, "microworld")
    quantiles.add(np.load(folder / "train_states.npy").reshape(-1, len(COLUMNS)))
    write_statistics(folder / "statistics.json", quantiles.statistics())
