"""The world model as a gymnasium environment: a policy acts, the model says what the cameras see.

The code path is that of rollouts (closed_loop.py): the same poses from the same start and seed give the same frames. An
action is a pose in the robot's own units (its contract says them), or a chunk [new, D] of them, one for each new frame;
a single pose is reached at the end of the chunk, on a straight line. There is no reward: the model does not know the
task.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from evaluation.rollouts.closed_loop import ClosedLoop, Start, check_store, chunk_seed, first_latents
from models.robot.protocol import RobotWorldModel
from robots.encoded import EpisodeStore
from robots.timing import Timing

STATE = "state"


class Worlds:
    """B worlds side by side, of `chunks` chunks each. Actions and states are float64 in the robot's units."""

    def __init__(self, model: RobotWorldModel, store: EpisodeStore, timing: Timing, chunks: int, steps: int):
        check_store(model, store)
        self.model, self.store, self.timing, self.chunks, self.steps = model, store, timing, chunks, steps
        self.loop: ClosedLoop | None = None

    def begin(self, starts: Sequence[Start], seeds: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """First frames uint8 [B, V, H, W, 3] and states [B, D]. Raises NotEncoded, IndexError for an absent start."""
        frames = np.stack([self.store.frames(one.episode_id, [one.row])[0] for one in starts])
        self.states = np.stack([self.store.episode(one.episode_id).states[one.row] for one in starts])
        self.starts, self.seeds, self.done = list(starts), list(seeds), 0
        self.loop = ClosedLoop(self.model, self.timing, self.steps)
        poses = torch.from_numpy(self.store.statistics.normalised(self.states))
        self.loop.begin(first_latents(self.store, starts).to(self.model.device), poses)
        return frames, self.states

    def advance(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """New frames uint8 [B, new, V, H, W, 3] and states [B, D], from actions [B, D] or [B, new, D].

        Raises ValueError for other shapes or numbers that are not finite, and after the last chunk.
        """
        if self.loop is None or self.done >= self.chunks:
            raise ValueError(f"{self.chunks} chunks are over, or none began: reset first")
        poses = self._poses(np.asarray(actions, np.float64))
        seeds = [chunk_seed(seed, one, self.done) for seed, one in zip(self.seeds, self.starts, strict=True)]
        texts = [self.store.episode(one.episode_id).text for one in self.starts]
        x = self.loop.advance(torch.from_numpy(self.store.statistics.normalised(poses)), seeds, texts)
        self.states, self.done = poses[:, -1], self.done + 1
        return self.model.decode(x).numpy()[:, 1:], self.states

    @property
    def over(self) -> bool:
        return self.done >= self.chunks

    def _poses(self, actions: np.ndarray) -> np.ndarray:
        """[B, new, D]."""
        batch, numbers = self.states.shape
        if actions.shape == (batch, numbers):
            along = np.arange(1, self.timing.new + 1)[:, None] / self.timing.new
            return self.states[:, None] + along * (actions - self.states)[:, None]
        if actions.shape != (batch, self.timing.new, numbers):
            raise ValueError(
                f"actions have the shape {list(actions.shape)}: give a pose [{batch}, {numbers}] or a chunk "
                f"[{batch}, {self.timing.new}, {numbers}]"
            )
        return actions


def observation_space(model: RobotWorldModel) -> spaces.Dict:
    """uint8 frames by view, and the state."""
    shape = model.shape
    frame = {view: spaces.Box(0, 255, (shape.height, shape.width, 3), np.uint8) for view in shape.views}
    return spaces.Dict({**frame, STATE: spaces.Box(-np.inf, np.inf, (shape.actions,), np.float64)})


def action_space(store: EpisodeStore) -> spaces.Box:
    """Poses within the quantiles that the model knows; what lies outside is taken, and clipped to them."""
    return spaces.Box(store.statistics.q01, store.statistics.q99, dtype=np.float64)


class WorldModelEnv(gymnasium.Env):
    """One world. `reset(options={"episode": id, "start": row})`; without them the seed chooses. `info["frames"]`: all
    new frames of the step, uint8 [new, V, H, W, 3]; `info["text"]`: the episode's instruction."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 5}

    def __init__(
        self,
        model: RobotWorldModel,
        store: EpisodeStore,
        timing: Timing,
        chunks: int,
        steps: int,
        seed: int = 0,
        render_mode: str | None = None,
    ):
        self.worlds, self.noise_seed, self.render_mode = Worlds(model, store, timing, chunks, steps), seed, render_mode
        self.metadata = {**self.metadata, "render_fps": model.shape.fps}
        self.observation_space, self.action_space = observation_space(model), action_space(store)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.noise_seed = self.noise_seed if seed is None else seed
        start = chosen(self.worlds.store, options or {}, self.np_random)
        frames, states = self.worlds.begin([start], [self.noise_seed])
        text = self.worlds.store.episode(start.episode_id).text
        self.seen = frames[0]
        info = {"episode": start.episode_id, "start": start.row, "text": text, "frames": frames}
        return observed(self.worlds.model, frames[0], states[0]), info

    def step(self, action: np.ndarray):
        frames, states = self.worlds.advance(np.asarray(action)[None])
        self.seen = frames[0, -1]
        observation = observed(self.worlds.model, self.seen, states[0])
        return observation, 0.0, False, self.worlds.over, {"frames": frames[0]}

    def render(self) -> np.ndarray | None:
        """The views side by side, uint8 [H, V W, 3]."""
        return np.concatenate(list(self.seen), axis=1) if self.render_mode == "rgb_array" else None


class WorldModelVectorEnv(VectorEnv):
    """`num_envs` worlds as one batch of the model. They end together; nothing resets by itself."""

    metadata: ClassVar[dict[str, Any]] = {"autoreset_mode": AutoresetMode.DISABLED}

    def __init__(
        self,
        num_envs: int,
        model: RobotWorldModel,
        store: EpisodeStore,
        timing: Timing,
        chunks: int,
        steps: int,
        seed: int = 0,
    ):
        self.num_envs, self.noise_seed = num_envs, seed
        self.worlds = Worlds(model, store, timing, chunks, steps)
        self.single_observation_space, self.single_action_space = observation_space(model), action_space(store)
        self.observation_space = gymnasium.vector.utils.batch_space(self.single_observation_space, num_envs)
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """options: {"episodes": ids, "starts": rows}, one a world; without them the seed chooses."""
        super().reset(seed=seed)
        self.noise_seed = self.noise_seed if seed is None else seed
        given = options or {}
        episodes, rows = given.get("episodes", [None] * self.num_envs), given.get("starts", [0] * self.num_envs)
        if len(episodes) != self.num_envs or len(rows) != self.num_envs:
            raise ValueError(f"{len(episodes)} episodes and {len(rows)} starts: give one of each for {self.num_envs}")
        starts = [
            chosen(self.worlds.store, {} if name is None else {"episode": name, "start": row}, self.np_random)
            for name, row in zip(episodes, rows, strict=True)
        ]
        frames, states = self.worlds.begin(starts, [self.noise_seed] * self.num_envs)
        info = {"episode": [one.episode_id for one in starts], "start": [one.row for one in starts]}
        return observed(self.worlds.model, frames.swapaxes(0, 1), states), info

    def step(self, actions: np.ndarray):
        frames, states = self.worlds.advance(actions)
        observation = observed(self.worlds.model, frames[:, -1].swapaxes(0, 1), states)
        no, over = np.zeros(self.num_envs, bool), np.full(self.num_envs, self.worlds.over)
        return observation, np.zeros(self.num_envs), no, over, {"frames": frames}


def observed(model: RobotWorldModel, frames: np.ndarray, state: np.ndarray) -> dict[str, np.ndarray]:
    """Frames by view [V, ...] and the state, as `observation_space` has them."""
    views = {view: np.ascontiguousarray(one) for view, one in zip(model.shape.views, frames, strict=True)}
    return {**views, STATE: np.array(state, np.float64)}


def chosen(store: EpisodeStore, options: dict[str, Any], random: np.random.Generator) -> Start:
    """The start that options {"episode", "start"} name, or one of `random`'s. Raises ValueError for other options."""
    unknown = options.keys() - {"episode", "start"}
    if unknown:
        raise ValueError(f"reset options {sorted(unknown)} are not known: episode and start are")
    if "episode" in options:
        return Start(str(options["episode"]), int(options.get("start", 0)))
    episodes = store.episodes()
    return Start(episodes[int(random.integers(len(episodes)))].episode_id, int(options.get("start", 0)))
