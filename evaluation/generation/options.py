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
    "Largest share of a first frame's area that may be cut away to fit the video's size. If more would be cut, nothing "
    "is generated, and the error names a size that keeps the frames."
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class SamplerOptions(Options):
    """From noise to data."""

    kind: Literal["ode", "sde"] = Field("ode", description="ode: Euler steps. sde: Flow-GRPO's stochastic steps.")
    steps: int = Field(8, ge=1, le=1000, description="Sampler steps.")
    eta: float = Field(0.7, gt=0, description="sde: noise of each step except the last.")


class WriterOptions(Options):
    """The VLM that writes the solution under the conditioning `vlm`."""

    vlm: VLMOptions = VLMOptions()
    max_tokens: int = Field(512, ge=16, le=16384, description="Token limit of a solution.")
    max_failed_share: float = Field(
        0.03, ge=0, le=1, description="Share of requests that may fail. With more the run ends with an error."
    )
    ask_failed_again: bool = Field(
        False,
        description="Ask again for solutions that the VLM refused or broke off. false: these failures are final.",
    )


class JudgeAhead(Options):
    """A judge that will be asked about the videos: its server is asked one question before the first is made."""

    vlm: VLMOptions
    frames: int = Field(8, ge=1, description="Pictures of one question.")


class GenerateOptions(Options):
    """One run: a model, an optional LoRA, a conditioning, a sampler and seeds, on one benchmark."""

    output: str = Field(min_length=1, description="The run's folder.")
    name: str = Field("", description="Name of the run. Empty: its folder's name.")
    role: str = Field("", description="What the run stands for: base, demonstrator, executor, vlm or other.")
    step: int | None = Field(None, ge=0, description="Training step of the LoRA. null: no checkpoint.")
    training: str = Field("", description="Training run of the LoRA, for the record.")
    curve: str = Field("", description="Curve that the run is on, for the record. Empty: its training's.")
    benchmark: AnySource
    samples: int | None = Field(None, ge=1, description="Make only this many first samples. null: all.")
    part: bool = Field(False, description="Whether this run has fewer samples than the runs beside it.")
    expected: int | None = Field(
        None, ge=1, description="Samples of the whole benchmark. Another number is refused. null: any number."
    )
    model: VideoModelOptions
    lora: str = Field("", description="A folder, a .safetensors file, or a Hub id owner/name. Empty: the base.")
    lora_revision: str | None = Field(None, description="Branch, tag or commit of a LoRA from the Hub.")
    conditioning: Literal["task", "demonstrator", "vlm"] = Field(
        "task", description="Prompt. task: T. demonstrator: the stored solution D. vlm: a solution by a VLM."
    )
    sampler: SamplerOptions = SamplerOptions()
    seeds: tuple[int, ...] = Field((1,), min_length=1, description="Seeds. Each sample gets a video for each.")
    batch: int = Field(8, ge=1, le=4096, description="Videos sampled together. Changes only speed and memory.")
    dataset_version: str = Field("", description="Release that the LoRA was trained on, for the record.")
    notes: tuple[str, ...] = Field((), description="What readers must know, for the record and the report.")
    writer: WriterOptions = WriterOptions()
    control: Control = Field("", description=CONTROL_TOLD)
    control_of: str = Field("", description="shuffled: folder of the run whose videos are shuffled.")
    max_cut_share: float = Field(0.25, ge=0, le=1, description=MAX_CUT)
    replace: bool = Field(False, description="Overwrite a run that was made differently. false: refuse it.")

    @field_validator("seeds")
    @classmethod
    def _each_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) != len(value) or min(value) < 0:
            raise ValueError(f"seeds {list(value)}: use different whole numbers of at least 0")
        return value

    @model_validator(mode="after")
    def _fits(self) -> "GenerateOptions":
        if not NAME.fullmatch(self.run_name):
            raise ValueError(f"name {self.run_name!r}: use up to 100 letters, digits, '.', '_' or '-'")
        if self.lora_revision is not None and not self.lora:
            raise ValueError(f"lora_revision {self.lora_revision!r} is set without lora: set lora to a Hub id")
        if bool(self.control_of) != (self.control == "shuffled"):
            raise ValueError(
                f"control {self.control!r}, control_of {self.control_of!r}: set control_of only with shuffled"
            )
        if self.control and (self.lora or self.conditioning != "task" or self.step is not None):
            raise ValueError(f"control {self.control!r}: remove lora and step, and use conditioning task")
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
    judges: tuple[JudgeAhead, ...] = Field((), description="Who will judge the videos that are made.")

    @field_validator("runs")
    @classmethod
    def _apart(cls, value: tuple[GenerateOptions, ...]) -> tuple[GenerateOptions, ...]:
        folders = [str(Path(run.output).absolute()) for run in value]
        twice = sorted({folder for folder in folders if folders.count(folder) > 1})
        if twice:
            raise ValueError(f"two runs have the output {twice[0]}: give each its own folder")
        return value
