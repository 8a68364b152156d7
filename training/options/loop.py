"""Options of the loop: optimizer, memory, length, held-out evaluation."""

from typing import Literal

from pydantic import Field

from storage.options import Options


class OptimizerOptions(Options):
    """How a gradient changes the weights."""

    kind: Literal["adamw", "muon"] = Field(
        "adamw",
        description="adamw: AdamW for all tensors. muon: Muon for matrices, with lr x .2 sqrt(larger side), so that "
        "learning rates of AdamW carry over; AdamW for all other tensors.",
    )
    lr: float = Field(3e-4, gt=0, description="The learning rate.")
    weight_decay: float = Field(1e-4, ge=0, description="Decoupled weight decay.")
    betas: tuple[float, float] = Field((0.9, 0.999), description="AdamW: decays of its two moments.")
    momentum: float = Field(0.95, ge=0, lt=1, description="Muon: decay of its (Nesterov) momentum.")
    warmup: int = Field(0, ge=0, description="Steps over which the rate grows from 0.")
    decay_to: float = Field(1.0, ge=0, le=1, description="Share of the rate left at the last step; cosine decay.")
    clip_norm: float = Field(1.0, gt=0, description="Gradients with a larger norm are scaled down to this norm.")
    stop_norm: float = Field(1e3, gt=0, description="A gradient norm above this, or NaN, ends the run.")

    @property
    def scored(self) -> float:
        """Decay of an average of the weights that is scored in their place. 0: the weights themselves are."""
        return 0.0


class MemoryOptions(Options):
    """How to fit into memory. The result does not depend on it."""

    batch: int = Field(48, ge=1, description="States that go through the model together in training.")
    checkpointing: bool = Field(False, description="Recompute activations in the backward pass.")
    compile: bool = Field(False, description="torch.compile the denoiser.")


class RunOptions(Options):
    """How long the run is, and what it keeps."""

    steps: int = Field(100, ge=1, description="Training steps of the run.")
    seed: int = Field(0, ge=0, description="Seed of everything that is drawn at random.")
    checkpoint_every: int = Field(20, ge=1, description="Steps between checkpoints.")
    keep: int = Field(2, ge=1, description="Number of checkpoints to keep.")
    grid_every: int = Field(20, ge=0, description="Steps between pictures of rollouts. 0: no pictures.")


class HeldOutOptions(Options):
    """Evaluation before, during and after training on tasks that training never sees."""

    tasks: int = Field(
        200,
        ge=1,
        description="Most held-out tasks. If the conditions hold more, evenly spaced ones are taken.",
    )
    every: int = Field(0, ge=0, description="Steps between evaluations. 0: only before and after training.")
    steps: int = Field(8, ge=1, description="Sampler steps.")
    seed: int = Field(1, ge=0, description="Seed of each task's initial noise.")
