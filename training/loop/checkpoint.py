"""Everything a run needs to go on where it was, in memory and in checkpoints: policies, optimizers, shadows, rewards'
scales, step, notes, random states."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from models.video.protocol import VideoModel
from training.loop import checkpoint_files
from training.loop.recipe_change import check_goes_on
from training.methods.learner import Learner
from training.options import TrainOptions
from training.policies.lora import Policies
from training.step_folders import CHECKPOINTS


@dataclass
class RunState:
    """A run between two steps. `notes` is JSON that a resumed run must know, beside `step`, the steps done."""

    options: TrainOptions
    model: VideoModel
    dataset_version: str
    policies: Policies
    learners: dict[str, Learner]
    keep: Callable[[Policies, int], None]  # writes a step's trained tensors, small, beside the checkpoints
    step: int = 0
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where checkpoints lie."""
        return Path(self.options.output) / CHECKPOINTS

    def save(self) -> None:
        """Writes a checkpoint of the finished step. For one process: the others hold the same tensors."""
        run = self.options.run
        if self.step % run.checkpoint_every == 0 or self.step == run.steps:
            # First, so that each checkpoint has it whenever we are killed.
            self.keep(self.policies, self.step)
        tensors = checkpoint_files.rng_tensors(self.model.device)
        for name, learner in self.learners.items():
            named = self.policies.named(name)
            tensors |= {f"adapter/{name}/{key}": p.detach() for key, p in named.items()}
            optimizer = checkpoint_files.optimizer_tensors(learner.optimizers.values(), named)
            tensors |= {f"{name}/{key}": value for key, value in optimizer.items()}
            for kind, shadow in learner.shadows.items():
                tensors |= {f"shadow/{name}/{kind}/{i}": t for i, t in enumerate(shadow.tensors)}
        state = {
            "step": self.step,
            "recipe": self.options.model_dump(mode="json"),
            "dataset_version": self.dataset_version,
            "model": self.model.identity,
            "normalisers": {name: learner.normaliser.state_dict() for name, learner in self.learners.items()},
            "notes": self.notes,
        }
        checkpoint_files.save(self.folder, self.step, tensors, state, run.keep)

    @torch.no_grad()
    def restore(self) -> bool:
        """Goes on from the newest checkpoint; False when there is none.

        Raises ChangedRecipe as `check_goes_on`, and DamagedCheckpoint.
        """
        path = checkpoint_files.latest(self.folder)
        if path is None:
            return False
        tensors, state = checkpoint_files.load(path)
        check_goes_on(path, state, self.options, dataset_version=self.dataset_version, model=self.model.identity)
        for name, learner in self.learners.items():
            named = self.policies.named(name)
            for key, parameter in named.items():
                parameter.copy_(tensors[f"adapter/{name}/{key}"])
            own = {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}
            checkpoint_files.load_optimizer(learner.optimizers.values(), own, named)
            for kind, shadow in learner.shadows.items():
                for i, tensor in enumerate(shadow.tensors):
                    tensor.copy_(tensors[f"shadow/{name}/{kind}/{i}"])
            learner.normaliser.load_state_dict(state["normalisers"][name])
        self.notes = state["notes"]
        self.step = state["step"]
        checkpoint_files.load_rng(tensors, self.model.device)
        return True
