"""What every image-to-video model can do: encode its conditions, give a velocity, decode.

sigma is the noise level: 0 is data, the sampler's first level noise. How noise is added is the model's own (`noised`),
and its velocity is dx/dsigma along that path. Flow models (models/video/flow.py) follow diffusers: sigma = 1 is noise,
x_sigma = (1 - sigma) x_data + sigma noise, and the velocity is noise - x_data. The WMSD paper's t is 1 - sigma and its
velocity the negative of ours; squared distances between velocities are the same in both. Models that predict data under
noise of any size are in models/video/edm.py.

A state x is one float32 tensor [B, ...] of a shape that only its model knows. Inside x lie also what a model holds
fixed (the first frame of LTX-2: `held`) and what moves but takes no loss (its audio); `mask` leaves out both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from models.video.facts import VideoShape


@dataclass(frozen=True)
class Condition:
    """Encoded conditions of B videos: name -> tensor [B, ...]. What a name means only its model knows."""

    tensors: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))

    def __or__(self, other: "Condition") -> "Condition":
        """Both parts of one condition: what the image gives and what the prompt gives. Names must not meet."""
        twice = self.tensors.keys() & other.tensors.keys()
        if twice:
            raise ValueError(f"both conditions hold {sorted(twice)}: their names must differ")
        return Condition({**self.tensors, **other.tensors})

    def take(self, index: Tensor | Sequence[int]) -> "Condition":
        """The conditions at `index` (integers [N]), in that order, repeats allowed."""
        at = torch.as_tensor(index)
        return Condition({name: tensor[at.to(tensor.device)] for name, tensor in self.tensors.items()})

    def to(self, device: torch.device | str) -> "Condition":
        return Condition({name: tensor.to(device) for name, tensor in self.tensors.items()})

    @staticmethod
    def cat(parts: Sequence["Condition"]) -> "Condition":
        """B1 + B2 + ... conditions; all parts hold the same names with the same shapes behind the batch."""
        return Condition({name: torch.cat([part.tensors[name] for part in parts]) for name in parts[0].tensors})


class VideoModel(Protocol):
    """An image-to-video model with its encoders and decoder. Nothing in a batch depends on the rest of the batch."""

    identity: str  # names the weights and the settings that change encodings: part of every cache key
    shape: VideoShape
    device: torch.device
    transformer: nn.Module  # the denoiser: frozen by the adapter, a place for LoRA
    lora_targets: tuple[str, ...]  # names of linear layers inside `transformer`, as peft matches them

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The shape of one state x, without the batch."""

    @property
    def mask(self) -> Tensor | None:
        """Float32, broadcastable to one state: 1 where a loss may look, 0 elsewhere. None: all 1."""

    @property
    def held(self) -> Tensor | None:
        """Float32, broadcastable to one state: 1 where x never moves (nor takes noise). None: all 0."""

    def encode_image(self, images: Tensor) -> Condition:
        """First frames uint8 [B, H, W, 3] RGB of this model's height and width -> what conditions on them."""

    def encode_prompt(self, prompts: Sequence[str]) -> Condition:
        """Prompts -> embeddings padded to one fixed length, so that conditions of any batches can be joined.

        Raises RuntimeError for a model that was built without encoders.
        """

    def noise(self, seeds: Sequence[int]) -> Tensor:
        """Standard normal states float32 [B, ...], one for each seed, the same on every device and batch."""

    def sigmas(self, steps: int) -> Tensor:
        """The sampler's noise levels float32 [steps + 1], falling to 0, shifted as the model wants.

        The first is about 1 for flow models, and about the largest level of its training for others.
        """

    def velocity(self, x: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
        """dx/dsigma, float32 like x [B, ...], at levels sigma float32 [B]; 0 where x is held.

        What is held is read from `condition`, not from x: a state re-noised all over gives the same velocity.
        """

    def noised(self, x0: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        """The forward process: x_sigma [N, ...] from clean states x0 and standard normal noise [N, ...], at levels
        sigma [] or [N]."""

    def target(self, x0: Tensor, noise: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """The velocity [N, ...] that x = noised(x0, noise, sigma) has on its way: what a prediction there is compared
        with. sigma [] or [N], above 0."""

    def start(self, noise: Tensor, condition: Condition) -> Tensor:
        """The state at the sampler's first level: standard normal `noise`, as large as that level wants, with what is
        held fixed put in its place."""

    def encode_video(self, videos: Tensor) -> Tensor:
        """Videos uint8 [B, T, H, W, 3] -> clean states x at sigma = 0, for supervised fine-tuning."""

    def decode(self, x: Tensor) -> Tensor:
        """Clean states -> videos uint8 [B, T, H, W, 3] RGB on the CPU."""
