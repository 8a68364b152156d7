"""The Executor's adapter at every checkpoint of a run, as LoRAs that can be evaluated: what curves are drawn from.

adapters/step-00000100/pytorch_lora_weights.safetensors     in the form of final/, without a card

They stay when older checkpoints go: without optimizer and shadows they are small. There is one wherever there is or was
a checkpoint of a step that is due, not of one where a signal ended the run, so that a run that was cut off leaves the
same ones.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from models.video.facts import Family
from storage.folders import building
from training import step_folders

if TYPE_CHECKING:  # it imports torch, which who only looks for adapters does without
    from training.policies.lora import Policies

FOLDER = "adapters"


def keep(policies: "Policies", output: Path, step: int, family: Family) -> None:
    """Writes the Executor's adapter of `step`; an older one of this step is replaced."""
    from training.policies.export import write_weights

    with building(step_folders.step_folder(output / FOLDER, step)) as folder:
        write_weights(policies, "executor", folder, family)


def kept(output: Path) -> dict[int, Path]:
    """Step -> folder of the LoRA, of the training run in `output`; half-written ones are not among them."""
    return dict(step_folders.step_folders(output / FOLDER))


def clear(output: Path, after: int) -> None:
    """Removes those of steps above `after`: another run's, or of steps that are trained again."""
    step_folders.clear(output / FOLDER, after)
