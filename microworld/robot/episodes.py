"""Episodes of the robot microworld: scripted policies at work, recorded in the microworld's layout.

Layout: `info.json`, `episodes.json` (id, split, text, scene of each) and `episodes/<id>.npz` with frames uint8
[n, V, H, W, 3] RGB, states float64 [n, 7], masks uint8 [n, V, H, W] (0 table, 1 robot, 2 and on blocks), objects
float64 [n, k, 3] (m). The last file written is `episodes.json`, so that a folder with it is whole.
"""

import io
import json
import multiprocessing
from collections.abc import Mapping
from dataclasses import dataclass
from math import cos, pi, sin
from pathlib import Path

import numpy as np

from microworld.robot import sizes
from microworld.robot.policies import GOOD, PickAndPlace, Policy, Push, Spoiled, Wander
from microworld.robot.render import render_both
from microworld.robot.state import State
from microworld.robot.table import Table
from storage.files import confined, write_bytes

SPLITS = ("train", "val", "test")
FORMAT = 1
NOISE_M, NOISE_YAW = 0.003, 0.02  # standard deviation of what is added to a policy's pose
SPOILED_SHARE = 0.3  # of pick-and-places and pushes fail on purpose
WAYS = {"away from the robot": 0.0, "to the left": pi / 2, "towards the robot": pi, "to the right": -pi / 2}
PLACES = {
    "left": (0.0, 0.12), "right": (0.0, -0.12), "far": (0.11, 0.0), "near": (-0.11, 0.0), "middle": (0.0, 0.0),
}  # fmt: skip


@dataclass(frozen=True)
class Recording:
    """One episode: `states` of the table, a row each, and what the arm was told to do."""

    states: tuple[State, ...]
    text: str


def record(seed: int | tuple[int, ...]) -> Recording:
    """The episode of a seed: a start, then policies one after the other until there are sizes.ROWS rows."""
    rng = np.random.default_rng(seed)
    table = Table()
    state = table.reset(int(rng.integers(2**31)))
    pace = float(rng.uniform(0.6, 1.0))
    states, texts = [state], []
    policy: Policy | None = None
    while len(states) < sizes.ROWS:
        if policy is None or policy.stage == "done":
            policy, text = draw_policy(state, rng)
            texts.append(text)
        state = table.step(_shaky(paced(state, policy(state), pace), rng))
        states.append(state)
    return Recording(tuple(states), texts[0])


def paced(state: State, pose: tuple[float, ...], pace: float) -> tuple[float, ...]:
    """The pose at most `pace` of the arm's speed away from where the gripper is."""
    way = np.array(pose[:3]) - state.pose[:3]
    length = float(np.linalg.norm(way))
    short = min(1.0, pace * sizes.SPEED / length) if length else 0.0
    return (*(float(a + short * b) for a, b in zip(state.pose[:3], way, strict=True)), *pose[3:])


def _shaky(pose: tuple[float, ...], rng: np.random.Generator) -> tuple[float, ...]:
    off = rng.normal(size=4)
    x, y, z, roll, pitch, yaw, gripper = pose
    x, y, z = x + NOISE_M * off[0], y + NOISE_M * off[1], z + NOISE_M * off[2]
    return x, y, z, roll, pitch, yaw + NOISE_YAW * off[3], gripper


def draw_policy(state: State, rng: np.random.Generator) -> tuple[Policy, str]:
    """A policy for this state and what it does, in words."""
    block = state.blocks[int(rng.integers(len(state.blocks)))]
    kind = rng.choice(["carry", "push", "back", "wander"], p=[0.46, 0.30, 0.12, 0.12])
    if kind == "wander":
        return Wander(rng, int(rng.integers(12, 28))), "move about between the blocks"
    if kind == "carry":
        word = str(rng.choice(list(PLACES)))
        x, y = (middle + off + rng.uniform(-0.03, 0.03) for middle, off in zip(sizes.CENTRE, PLACES[word], strict=True))
        where = "in the middle" if word == "middle" else f"on the {word} side"
        text = f"pick up the {block.colour} block and put it {where}"
        return PickAndPlace(block.colour, (float(x), float(y)), _spoiled(rng)), text
    word = min(rng.permutation(list(WAYS)), key=lambda one: _room(block.x, block.y, WAYS[one]) < 0.12)
    direction = WAYS[str(word)] + float(rng.uniform(-0.3, 0.3))
    way = min(float(rng.uniform(0.06, 0.16)), max(0.04, _room(block.x, block.y, direction)))
    push = Push(block.colour, direction, way, _spoiled(rng))
    if kind == "push":
        return push, f"push the {block.colour} block {word}"
    return Both(push, Push(block.colour, direction + pi, way)), f"push the {block.colour} block {word} and back again"


class Both:
    """One policy after another."""

    def __init__(self, first: Policy, second: Policy):
        self._now, self._then = first, second
        self.stages = (*first.stages, *second.stages)

    @property
    def stage(self) -> str:
        return self._now.stage if self._now is self._then or self._now.stage != "done" else self._then.stage

    def __call__(self, state: State) -> tuple[float, ...]:
        if self._now.stage == "done":
            self._now = self._then
        return self._now(state)


def _room(x: float, y: float, direction: float) -> float:
    """Metres from a block to where it could go no further."""
    c, s = cos(direction), sin(direction)
    room = [
        (sizes.BLOCK_REACH - (at - middle) * np.sign(d)) / abs(d)
        for at, middle, d in ((x, sizes.CENTRE[0], c), (y, sizes.CENTRE[1], s))
        if abs(d) > 1e-3
    ]
    return float(min(room))


def _spoiled(rng: np.random.Generator) -> Spoiled:
    if rng.random() > SPOILED_SHARE:
        return GOOD
    side = float(rng.choice([-1, 1]))
    return [
        Spoiled(early=True, aside=(0.0, 0.016 * side)),
        Spoiled(aside=(0.034 * side, 0.030 * side)),
        Spoiled(shallow=0.046, aside=(0.0, 0.022 * side)),
    ][int(rng.integers(3))]


def episode_bytes(recording: Recording) -> bytes:
    """The .npz file of an episode."""
    frames, masks = render_both(recording.states)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        frames=frames,
        states=np.array([state.pose for state in recording.states], np.float64),
        masks=masks,
        objects=np.stack([state.positions for state in recording.states]),
    )
    return buffer.getvalue()


def make_episodes(folder: Path, counts: Mapping[str, int], seed: int = 0, workers: int = 1) -> None:
    """Writes `counts[split]` episodes of each split into `folder`, the same bytes for any number of workers.

    Episodes that are there already stay. Raises ValueError for a split that is not one of SPLITS, or a count below 0.
    """
    for split, count in counts.items():
        if split not in SPLITS or count < 0:
            raise ValueError(f"{count} episodes of split {split!r}: give counts from 0 of {', '.join(SPLITS)}")
    jobs = [(folder, split, number, seed) for split, count in counts.items() for number in range(count)]
    if workers > 1:
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            rows = pool.map(_make, jobs, chunksize=8)
    else:
        rows = [_make(job) for job in jobs]
    info = {"layout": "microworld", "format": FORMAT, "fps": sizes.FPS, "views": list(sizes.VIEWS), "seed": seed}
    write_bytes(folder / "info.json", (json.dumps(info, indent=1) + "\n").encode())
    write_bytes(folder / "episodes.json", (json.dumps(rows, indent=0) + "\n").encode())


def _make(job: tuple[Path, str, int, int]) -> dict[str, str]:
    folder, split, number, seed = job
    name = f"{split}_{number:05d}"
    recording = record((seed, SPLITS.index(split), number))
    path = confined(folder, f"episodes/{name}.npz")
    if not path.exists():
        write_bytes(path, episode_bytes(recording))
    return {"episode_id": name, "split": split, "text": recording.text, "scene": f"scene_{seed}_{name}"}
