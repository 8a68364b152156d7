"""What is known of video models before any is loaded: what options, plans and model cards read. Nothing heavy here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel


@dataclass(frozen=True)
class VideoShape:
    """Frames, height and width (pixels) of the videos a model makes, and their frames per second."""

    frames: int
    height: int
    width: int
    fps: float


class Asked(Protocol):
    """What is asked of a model of any kind: what its parts read of models.video.options.VideoModelOptions.

    `prompt_tokens`: the length that prompts are cut or padded to. `own`: the block that only this kind has, or None.
    """

    shape: VideoShape
    prompt_tokens: int
    dtype: str
    vae_batch: int
    own: Any


@dataclass(frozen=True)
class VAE:
    """Parameters, and for decoding FLOPs and working bytes a pixel of the video; bytes are rough.

    FLOPs were counted by torch's FlopCounterMode on diffusers 0.42's classes (17 frames of 192x192, without weights).
    """

    parameters: float
    flops: float
    working_bytes: float
    element_bytes: int


@dataclass(frozen=True)
class Published:
    """A published checkpoint by its Hub ids, to be planned with where it is not at hand.

    `configs`: each part's config.json, and model_index.json by its name, as far as they say anything but the defaults
    of diffusers' classes. `source` names the model card that they and the size are from.
    """

    ids: tuple[str, ...]
    source: str
    configs: Mapping[str, Mapping[str, Any]]


Call = tuple[list[str], dict[str, Any]]


@dataclass(frozen=True)
class Family:
    """A family of video models that one adapter reads: models/video/<kind>/, with facts.py, adapter.py and parts.py.

    `pipeline` and `transformer` are diffusers' classes. `prompt_tokens`: the length of its training, to which prompts
    are padded. `lora_targets`: the layers that are trained by default, as peft matches them.

    `pipeline_call`(model block of a recipe, arguments, base folder or Hub id) -> (lines before the call, arguments):
    how a model card calls the pipeline as this project samples. The arguments come with size, frames and steps.
    """

    kind: str
    pipeline: str
    transformer: str
    prompt_tokens: int
    lora_targets: tuple[str, ...]
    pipeline_call: Callable[[Mapping[str, Any], dict[str, Any], Path], Call]
    published: tuple[Published, ...] = ()
    options: type[BaseModel] | None = None  # its own block of VideoModelOptions, named as the kind


@dataclass(frozen=True)
class Description:
    """A denoiser and one of its videos, as a cost planner sees them.

    Of the transformer: `parameters`, `hidden` and `ffn` (widths), `depth` (blocks), `layers` (its linear layers by
    name: in, out), `tensors` (the shapes of its parameters by name). Of one video: `tokens` (of the picture),
    `audio_tokens`, `context_tokens` (prompt and image), `joint_context` (whether the context lies in the same attention
    as the video, or is attended to crosswise), `state_size` (numbers in one state), `pixels` (frames x height x width).
    """

    kind: str
    parameters: int
    hidden: int
    ffn: int
    depth: int
    tokens: int
    audio_tokens: int
    context_tokens: int
    joint_context: bool
    state_size: int
    pixels: int
    vae: VAE
    layers: Mapping[str, tuple[int, int]] = field(repr=False)
    tensors: Mapping[str, tuple[int, ...]] = field(repr=False, default_factory=dict)
