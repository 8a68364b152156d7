"""What every action-conditioned world model can do: encode and decode views, condition on history and actions, denoise.

A chunk is `shape.frames` frames, the first being the current frame, so that it adds `shape.frames` - 1 new ones. A
state x is one chunk in latents, float32 [B, frames, C, V h, w]: views stacked on the height axis. Otherwise the model
is a models.video.protocol.VideoModel, and the trainer treats it as one: velocity = (x - D) / sigma, as in
models/video/edm.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from models.video.protocol import Condition


@dataclass(frozen=True)
class RobotShape:
    """Sizes of a robot world model. `views` names, in stacking order; `history` and `frames` of a chunk (the current
    one included); `actions` numbers a frame; `height` and `width` of each view in pixels; `fps` of its frames."""

    views: tuple[str, ...]
    height: int
    width: int
    history: int = 6
    frames: int = 5
    actions: int = 7
    fps: float = 5.0


class RobotWorldModel(Protocol):
    """Nothing in a batch depends on the rest of the batch: K candidates at once equal K one by one."""

    identity: str  # names the weights and settings that change what it makes: part of every cache key
    latents_identity: str  # names what changes `encode_views` alone
    shape: RobotShape
    device: torch.device
    transformer: nn.Module  # UNet and action encoder in one module: a place for LoRA and for tensors trained whole
    lora_targets: tuple[str, ...]
    whole: tuple[str, ...]  # names of what PersistWorld trains whole: the action encoder
    mask: Tensor | None
    held: Tensor | None

    @property
    def state_shape(self) -> tuple[int, ...]:
        """(frames, C, V h, w)."""

    def encode_views(self, frames: Tensor) -> Tensor:
        """Frames uint8 [N, V, H, W, 3] RGB -> scaled latents float32 [N, V, C, h, w]: the mode, not a sample."""

    def decode_views(self, latents: Tensor) -> Tensor:
        """Scaled latents [N, V, C, h, w] -> frames uint8 [N, V, H, W, 3] on the CPU."""

    def stack(self, latents: Tensor) -> Tensor:
        """[..., V, C, h, w] -> [..., C, V h, w]."""

    def unstack(self, x: Tensor) -> Tensor:
        """[..., C, V h, w] -> [..., V, C, h, w]."""

    def context(
        self, history: Tensor, current: Tensor, actions: Tensor, texts: Sequence[str] | None = None
    ) -> Condition:
        """What a chunk is conditioned on. history: scaled latents [B, history, V, C, h, w], oldest first; current:
        [B, V, C, h, w]; actions: normalised float32 [B, history + frames, actions], a row a frame, history first."""

    def unheard(self, condition: Condition, rows: Tensor) -> Condition:
        """`condition` with the action tokens of `rows` (booleans [B]) zeroed."""

    def noise(self, seeds: Sequence[int]) -> Tensor:
        """Standard normal states, one for each seed, the same on every device and in every batch."""

    def sigmas(self, steps: int) -> Tensor: ...

    def velocity(self, x: Tensor, sigma: Tensor, condition: Condition) -> Tensor: ...

    def noised(self, x0: Tensor, noise: Tensor, sigma: Tensor) -> Tensor: ...

    def target(self, x0: Tensor, noise: Tensor, x: Tensor, sigma: Tensor) -> Tensor: ...

    def start(self, noise: Tensor, condition: Condition) -> Tensor: ...

    def sample_chunk(self, condition: Condition, seeds: Sequence[int], steps: int) -> Tensor:
        """Clean states x [B, ...] by Euler steps of the probability-flow ODE, without guidance."""

    def decode(self, x: Tensor) -> Tensor:
        """Clean states -> frames uint8 [B, frames, V, H, W, 3] RGB on the CPU."""
