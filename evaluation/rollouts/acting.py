"""A policy behind a socket acts in the world model (evaluation/rollouts/drive.py)."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from evaluation.rollouts.policy_client import PolicyClient, PolicyError
from models.robot.options import RobotModelOptions
from storage.options import Options

if TYPE_CHECKING:
    from evaluation.rollouts.environment import WorldModelEnv

PROMPT = "prompt"


class DriveOptions(Options):
    """Options of `python -m evaluation.rollouts.drive`."""

    model: RobotModelOptions
    episodes: str = Field(min_length=1, description="Folder of encoded episodes; one gives the first frame and state.")
    episode: str = Field(min_length=1, description="Id of that episode.")
    start: int = Field(0, ge=0, description="Its row to begin from.")
    policy: str = Field("ws://localhost:8000", min_length=1, description="Address of the policy's server.")
    prompt: str = Field("", description="Instruction that the policy is told. Empty: the episode's.")
    names: dict[str, str] = Field(
        default_factory=dict,
        description="What the policy calls views, `state` and `prompt`. Others are observation/NAME; prompt is prompt.",
    )
    every: int = Field(1, ge=1, description="Actions of the policy for one frame of the model.")
    chunks: int = Field(14, ge=1, description="Chunks until the world ends.")
    steps: int = Field(50, ge=1, description="Euler steps of a chunk.")
    seed: int = Field(0, ge=0, description="Seed of each chunk's noise.")
    history: Literal["replay", "training"] = Field("replay", description="Ages of the history frames.")
    stride: int = Field(1, ge=1, description="Rows of an episode between two frames of the model.")
    output: str = Field(min_length=1, description="The video that is written, an .mp4: the views side by side.")


def drive(options: DriveOptions) -> dict[str, int]:
    """Builds the world, lets the policy act until it ends, writes what was seen. Raises PolicyError, ValueError."""
    from evaluation.rollouts.environment import WorldModelEnv
    from evaluation.videos import write_video
    from models.robot.build_robot_model import build_robot_model
    from robots.encoded import EpisodeStore
    from robots.timing import Timing

    model = build_robot_model(options.model)
    timing = Timing(model.shape.history, model.shape.frames, options.stride, options.history)
    env = WorldModelEnv(
        model, EpisodeStore(Path(options.episodes)), timing, options.chunks, options.steps, options.seed
    )
    with PolicyClient(options.policy) as policy:
        frames = act(env, policy, options)
    write_video(Path(options.output), np.concatenate(list(frames.swapaxes(0, 1)), axis=2), model.shape.fps)
    return {"chunks": options.chunks, "frames": len(frames)}


def act(env: "WorldModelEnv", policy: PolicyClient, options: DriveOptions) -> np.ndarray:
    """All frames uint8 [chunks new + 1, V, H, W, 3], the first being true. Raises PolicyError for too few actions."""
    observation, info = env.reset(options={"episode": options.episode, "start": options.start})
    prompt, seen, over = options.prompt or info["text"], [info["frames"]], False
    new = env.worlds.timing.new
    while not over:
        actions = policy.actions(told(observation, prompt, options.names))[options.every - 1 :: options.every][:new]
        if len(actions) < new:
            raise PolicyError(
                f"the policy answered {len(actions)} poses, every {options.every} counted: a chunk needs {new}"
            )
        observation, _, _, over, info = env.step(actions)
        seen.append(info["frames"])
    return np.concatenate(seen)


def told(observation: Mapping[str, np.ndarray], prompt: str, names: Mapping[str, str]) -> dict[str, object]:
    """What the policy is shown, by its own names. Raises ValueError for a name of what is not observed."""
    unknown = names.keys() - observation.keys() - {PROMPT}
    if unknown:
        raise ValueError(f"names has {sorted(unknown)}: observed are {', '.join(observation)} and {PROMPT}")
    shown = {names.get(name, f"observation/{name}"): value for name, value in observation.items()}
    return {**shown, names.get(PROMPT, PROMPT): prompt}
