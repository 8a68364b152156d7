"""Everything a run needs to go on where it was: adapters, optimizers, shadows, normalisers, step, random states."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from training.loop import checkpoint
from training.loop.recipe_change import check_goes_on
from training.loop.step_folders import CHECKPOINTS
from training.policies import adapters

if TYPE_CHECKING:
    from training.loop.trainer import Trainer


def folder_of(trainer: "Trainer") -> Path:
    return Path(trainer.options.output) / CHECKPOINTS


def save(trainer: "Trainer") -> None:
    """Writes a checkpoint of the finished step (first process only; the others hold the same tensors)."""
    if not trainer.world.first:
        return
    adapters.keep(trainer)  # first, so that each checkpoint has it whenever we are killed
    tensors = checkpoint.rng_tensors(trainer.model.device)
    for name, trained in trainer.trained.items():
        named = trainer.policies.named(name)
        tensors |= {f"adapter/{name}/{key}": p.detach() for key, p in named.items()}
        optimizer = checkpoint.optimizer_tensors(trained.optimizer, list(named))
        tensors |= {f"{name}/{key}": value for key, value in optimizer.items()}
        for kind, shadow in trained.shadows.items():
            tensors |= {f"shadow/{name}/{kind}/{i}": t for i, t in enumerate(shadow.tensors)}
    state = {
        "step": trainer.step,
        "recipe": trainer.options.model_dump(mode="json"),
        "dataset_version": trainer.store.dataset_version,
        "model": trainer.model.identity,
        "normalisers": {name: trained.normaliser.state_dict() for name, trained in trainer.trained.items()},
        "notes": trainer.notes,
    }
    checkpoint.save(folder_of(trainer), trainer.step, tensors, state, trainer.options.run.keep)


@torch.no_grad()
def restore(trainer: "Trainer") -> bool:
    """Goes on from the newest checkpoint; False when there is none.

    Raises ChangedRecipe as `check_goes_on`, and DamagedCheckpoint.
    """
    path = checkpoint.latest(folder_of(trainer))
    if path is None:
        return False
    tensors, state = checkpoint.load(path)
    store, model = trainer.store, trainer.model
    check_goes_on(state, trainer.options, dataset_version=store.dataset_version, model=model.identity)
    for name, trained in trainer.trained.items():
        named = trainer.policies.named(name)
        for key, parameter in named.items():
            parameter.copy_(tensors[f"adapter/{name}/{key}"])
        own = {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}
        checkpoint.load_optimizer(trained.optimizer, own, list(named))
        for kind, shadow in trained.shadows.items():
            for i, tensor in enumerate(shadow.tensors):
                tensor.copy_(tensors[f"shadow/{name}/{kind}/{i}"])
        trained.normaliser.load_state_dict(state["normalisers"][name])
    trainer.notes = state["notes"]
    trainer.step = state["step"]
    checkpoint.load_rng(tensors, trainer.model.device)
    return True
