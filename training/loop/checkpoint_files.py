"""Checkpoints of a run: folders that are there whole or not at all, tensors in safetensors, the rest in JSON.

checkpoints/step-00000100/state.safetensors   LoRA, optimizer, shadows, RNG states: named tensors
                          state.json          the step, all that is no tensor, hashes of the tensors and of itself
"""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from storage.files import sha256_bytes
from storage.folders import building, sweep
from training import step_folders
from training.checkpoint_state import DamagedCheckpoint, read_state, state_bytes
from training.step_folders import STATE

TENSORS = "state.safetensors"
OPTIMIZER, RNG = "optimizer/", "rng/"


def save(folder: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any], keep: int) -> Path:
    """Writes the checkpoint of `step` (optimizer steps done) below `folder` and returns its own folder.

    `tensors` may be of any dtype and device, `state` is JSON without NaN. Once it is in place older checkpoints are
    removed, so that `keep` stay; one of the same step is replaced. Raises ValueError for keep < 1 or a negative step,
    OSError when the disk is full: the older checkpoints are then as they were.
    """
    from safetensors.torch import save as serialise

    if keep < 1 or step < 0:
        raise ValueError(f"step {step}, keep {keep}: step must be at least 0, and keep at least 1")
    # Clones: safetensors refuses tensors that share memory, as an optimizer step and a shadow may.
    data = serialise({name: tensor.detach().cpu().contiguous().clone() for name, tensor in sorted(tensors.items())})
    document = state_bytes(step, sha256_bytes(data), state)
    place = step_folders.step_folder(folder, step)
    with building(place) as temporary:
        (temporary / TENSORS).write_bytes(data)
        (temporary / STATE).write_bytes(document)
    others = [path for path in all_checkpoints(folder) if path != place]
    for path in others[: max(0, len(others) - (keep - 1))]:
        shutil.rmtree(path)
    return place


def all_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints below `folder`, oldest step first; half-written ones are not among them."""
    return [path for _, path in step_folders.step_folders(folder)]


def latest(folder: Path) -> Path | None:
    """The checkpoint of the highest step; None when there is none. Whether it is intact, `load` finds out.

    What a killed `save` left is cleared away, and one that it was about to replace comes back.
    """
    if folder.is_dir():
        sweep(folder)
    found = all_checkpoints(folder)
    return found[-1] if found else None


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save` was given, tensors bitwise and on the CPU.

    Raises DamagedCheckpoint naming `path` and the checkpoint before it when a file is missing, cut off or changed.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as deserialise

    try:
        state, expected = read_state(path)
        data = (path / TENSORS).read_bytes()
        if sha256_bytes(data) != expected:
            raise ValueError(f"{TENSORS} ({len(data)} bytes) has changed since it was saved: its SHA-256 differs")
        return deserialise(data), state
    except DamagedCheckpoint:
        raise
    except (OSError, ValueError, SafetensorError) as error:
        raise DamagedCheckpoint(path, error) from error


def optimizer_tensors(
    optimizers: Iterable[torch.optim.Optimizer], named: Mapping[str, torch.nn.Parameter]
) -> dict[str, Tensor]:
    """The state of optimizers as "optimizer/<name>/<what>" -> tensor: of AdamW step, exp_avg, exp_avg_sq of every
    parameter, of Muon momentum_buffer.

    `named` are all parameters by name, each under one optimizer. A parameter that was never stepped has no state. The
    groups' own numbers (rate, betas) are not state: they follow from the recipe and the step. Raises ValueError when a
    parameter of an optimizer has no name, or a named one has no optimizer.
    """
    return {
        f"{OPTIMIZER}{names[index]}/{what}": torch.as_tensor(value)
        for optimizer, names in _named_by(list(optimizers), named)
        for index, values in optimizer.state_dict()["state"].items()
        for what, value in values.items()
    }


def load_optimizer(
    optimizers: Iterable[torch.optim.Optimizer], tensors: Mapping[str, Tensor], named: Mapping[str, torch.nn.Parameter]
) -> None:
    """Gives the optimizers the state that `optimizer_tensors` took, bitwise; other tensors are passed over.

    Raises ValueError for names as there, and for a state of a parameter that no optimizer has.
    """
    states: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith(OPTIMIZER):
            name, _, what = key.removeprefix(OPTIMIZER).rpartition("/")
            if name not in named:
                raise ValueError(f"the checkpoint has optimizer state of {name!r}, which this run does not train")
            states.setdefault(name, {})[what] = tensor.clone()
    for optimizer, names in _named_by(list(optimizers), named):
        state = {index: states[name] for index, name in enumerate(names) if name in states}
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _named_by(
    optimizers: Sequence[torch.optim.Optimizer], named: Mapping[str, torch.nn.Parameter]
) -> list[tuple[torch.optim.Optimizer, list[str]]]:
    """Each optimizer with the names of its parameters, in the order of its groups."""
    names = {id(parameter): name for name, parameter in named.items()}
    held = [[id(p) for group in optimizer.param_groups for p in group["params"]] for optimizer in optimizers]
    if sorted(one for some in held for one in some) != sorted(names):
        count = sum(map(len, held))
        raise ValueError(f"{len(names)} parameters are named, but {count} belong to optimizers: both must be the same")
    return [(one, [names[at] for at in some]) for one, some in zip(optimizers, held, strict=True)]


def rng_tensors(device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """The states of torch's global generators as uint8 tensors: the CPU's and, for a CUDA `device`, that one's."""
    states = {f"{RNG}cpu": torch.get_rng_state()}
    if torch.device(device).type == "cuda":
        states[f"{RNG}cuda"] = torch.cuda.get_rng_state(device)
    return states


def load_rng(tensors: Mapping[str, Tensor], device: torch.device | str = "cpu") -> None:
    """Sets the generators to the states that `rng_tensors` took. Raises KeyError when one is missing."""
    torch.set_rng_state(tensors[f"{RNG}cpu"])
    if torch.device(device).type == "cuda":
        torch.cuda.set_rng_state(tensors[f"{RNG}cuda"], device)
