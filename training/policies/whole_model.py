"""A trained robot world model: its trained tensors alone, small, and the whole model that goes on in their place."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.robot.checkpoint import open_robot
from models.robot.ctrl_world import CtrlWorld
from models.robot.export import merged, write_json, write_robot_model, write_state
from models.robot.options import RobotFile, RobotModelOptions
from storage.folders import building
from training.policies.lora import Policies, Shadow

TRAINED = "trained.safetensors"
EXECUTOR = "executor"


def trained_tensors(policies: Policies, shadow: Shadow | None = None) -> dict[str, Tensor]:
    """The trained tensors of the policy by name, or their average."""
    named = policies.named(EXECUTOR)
    return dict(zip(named, shadow.tensors if shadow else [p.detach() for p in named.values()], strict=True))


def write_trained(tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Writes trained tensors into `folder`, which is replaced whole."""
    with building(folder) as made:
        write_state(made / TRAINED, tensors)


@contextlib.contextmanager
def holding(policies: Policies, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Inside, the policy's tensors are `tensors`."""
    named = policies.named(EXECUTOR)
    held = {name: parameter.data for name, parameter in named.items()}
    for name, parameter in named.items():
        parameter.data = tensors[name].to(parameter)
    try:
        yield
    finally:
        for name, parameter in named.items():
            parameter.data = held[name]


def read_trained(folder: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / TRAINED)


def export_model(
    model: CtrlWorld,
    policies: Policies,
    tensors: Mapping[str, Tensor],
    out: Path,
    *,
    base: Path,
    file: RobotFile,
    statistics: Mapping[str, Any],
    card: str,
    scores: Mapping[str, Any],
) -> None:
    """Writes the whole model with `tensors` in place, the LoRA merged into its layers, as a folder that
    build_robot_model reads; `out` is replaced whole. `base`: the folder of the base model."""
    with holding(policies, tensors), torch.no_grad(), building(out) as folder:
        named = policies.named(EXECUTOR)
        state = merged(policies.transformer, EXECUTOR, {key: named[key] for key in policies.whole})
        write_robot_model(
            folder,
            policies.transformer,
            base / "vae",
            file,
            state=state,
            statistics=statistics,
            beside=base,
            card=card,
        )
        write_json(folder / "scores.json", scores)


def base_folder(options: RobotModelOptions) -> Path:
    """The base model's folder on this machine."""
    return open_robot(options)[0].root
