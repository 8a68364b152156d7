"""What decides a run's videos."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from evaluation.generation.sources import AnySource
from evaluation.records import MANIFEST
from models.video.options import VideoModelOptions
from models.vlm.options import VLMOptions
from storage.options import Options

Control = Literal["", "frozen", "shuffled", "truth"]
CONTROL_TOLD = (
    "Videos that no model makes. frozen: the first frame throughout. shuffled: another run's videos of other tasks. "
    "truth: the task drawn (microworld). Empty: a run of the model."
)
MAX_CUT = (
    "Largest share of a first frame's area that may be cut away to fit it to the video's size; above, nothing is "
    "generated, and a size that keeps the frames is named."
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class SamplerOptions(Options):
    """From noise to data."""

    kind: Literal["ode", "sde"] = Field("ode", description="ode: Euler's steps. sde: Flow-GRPO's stochastic ones.")
    steps: int = Field(8, ge=1, le=1000, description="Sampler steps.")
    eta: float = Field(0.7, gt=0, description="sde: noise of each step but the last.")


class WriterOptions(Options):
    """The VLM that writes the solution under the conditioning `vlm`."""

    vlm: VLMOptions = VLMOptions()
    max_tokens: int = Field(512, ge=16, le=16384, description="Token limit of a solution.")
    max_failed_share: float = Field(
        0.03, ge=0, le=1, description="Share of requests that may go unanswered; above, the run ends with an error."
    )
    ask_failed_again: bool = Field(
        False,
        description="Ask again for solutions that the VLM refused or broke off; their failures are final otherwise.",
    )


class GenerateOptions(Options):
    """One run: a model, an optional LoRA, a conditioning, a sampler and seeds, on one benchmark."""

    output: str = Field(min_length=1, description="The run's folder.")
    name: str = Field("", description="The run's name; empty: that of its folder.")
    role: str = Field("", description="What it stands for in comparisons: base, demonstrator, executor, vlm or other.")
    step: int | None = Field(None, ge=0, description="Training step of the adapter; null: of no checkpoint.")
    training: str = Field("", description="Training run that the adapter is of, for the record.")
    curve: str = Field("", description="Curve that the run is a point of, for the record; empty: that of its training.")
    benchmark: AnySource
    samples: int | None = Field(None, ge=1, description="Only the benchmark's first samples; null: all.")
    part: bool = Field(False, description="Whether `samples` are fewer than those of the runs that it stands beside.")
    expected: int | None = Field(
        None, ge=1, description="Samples of the whole benchmark; nothing is made where it has others. Null: any number."
    )
    model: VideoModelOptions
    lora: str = Field("", description="LoRA: a folder, a .safetensors file, or a Hub id owner/name; empty: the base.")
    lora_revision: str | None = Field(None, description="Branch, tag or commit of a LoRA from the Hub.")
    conditioning: Literal["task", "demonstrator", "vlm"] = Field(
        "task", description="What the model is told: T, the stored solution D, or a solution that a VLM writes."
    )
    sampler: SamplerOptions = SamplerOptions()
    seeds: tuple[int, ...] = Field((1,), min_length=1, description="A video of each sample for each.")
    batch: int = Field(8, ge=1, le=4096, description="Videos sampled together; decides nothing but speed and memory.")
    dataset_version: str = Field("", description="Release that the adapter was trained on, for the record.")
    notes: tuple[str, ...] = Field((), description="What a reader must know, for the record and the report.")
    writer: WriterOptions = WriterOptions()
    control: Control = Field("", description=CONTROL_TOLD)
    control_of: str = Field("", description="shuffled: folder of the run whose videos are shuffled.")
    max_cut_share: float = Field(0.25, ge=0, le=1, description=MAX_CUT)
    replace: bool = Field(False, description="Begin anew where the folder holds a run made otherwise; false: refuse.")

    @field_validator("seeds")
    @classmethod
    def _each_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) != len(value) or min(value) < 0:
            raise ValueError(f"seeds {list(value)}: different numbers from 0 on are expected")
        return value

    @model_validator(mode="after")
    def _fits(self) -> "GenerateOptions":
        if not NAME.fullmatch(self.run_name):
            raise ValueError(f"name {self.run_name!r}: up to 100 letters, digits, '.', '_' or '-' are expected")
        if self.lora_revision is not None and not self.lora:
            raise ValueError(f"lora_revision {self.lora_revision!r} is set and lora is not")
        if bool(self.control_of) != (self.control == "shuffled"):
            raise ValueError(
                f"control {self.control!r}, control_of {self.control_of!r}: shuffled, and it alone, has one"
            )
        if self.control and (self.lora or self.conditioning != "task" or self.step is not None):
            raise ValueError(
                f"control {self.control!r}: a run without lora and step, of conditioning task, is expected"
            )
        return self

    @property
    def run_name(self) -> str:
        return self.name or Path(self.output).name

    @property
    def finished(self) -> bool:
        """Whether its folder holds a run that came to its end before."""
        return (Path(self.output) / MANIFEST).is_file()


class GenerateCommand(Options):
    """Options of `python -m evaluation.generate`: runs that share what they can of loaded models."""

    runs: tuple[GenerateOptions, ...] = Field(min_length=1)

    @field_validator("runs")
    @classmethod
    def _apart(cls, value: tuple[GenerateOptions, ...]) -> tuple[GenerateOptions, ...]:
        folders = [str(Path(run.output).absolute()) for run in value]
        twice = sorted({folder for folder in folders if folders.count(folder) > 1})
        if twice:
            raise ValueError(f"two runs with output {twice[0]}: a folder each is expected")
        return value
