"""Ctrl-World: Stable Video Diffusion told by actions, in the EDM parametrisation, as a robot world model.

The network sees history and chunk on one frame axis: clean history latents as they are, then the noisy chunk times
c_in. Beside each frame lie the latents of the current frame, divided by the VAE's scaling factor. What it says of the
history is dropped. Source: the tensors of the released training code and pipeline (Robert-gyj/Ctrl-World).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from models.robot.network import CtrlWorldNetwork
from models.robot.options import RobotModelOptions
from models.robot.protocol import RobotShape
from models.robot.stacked import stack, unstack
from models.video.edm import EDM, v_prediction_scales
from models.video.pixels import draw, in_chunks
from models.video.protocol import Condition
from models.video.sampling import ode

FPS_ID, MOTION_BUCKET = 7.0, 127.0  # what Ctrl-World tells the network at any frame rate
# Each frame attends to one token: queries and keys of the cross-attention change nothing.
LORA_TARGETS = ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "attn2.to_v", "attn2.to_out.0")
WHOLE = ("action_encoder",)

Texts = Callable[[Sequence[str]], Tensor]  # instructions -> embeddings float32 [B, dim]


class CtrlWorld(EDM):
    """Implements models.robot.protocol.RobotWorldModel over a CtrlWorldNetwork and an AutoencoderKLTemporalDecoder.

    `texts` embeds instructions; None for a model that is not told them.
    """

    lora_targets = LORA_TARGETS
    whole = WHOLE
    mask = held = None

    def __init__(
        self,
        network: CtrlWorldNetwork,
        vae: Any,
        options: RobotModelOptions,
        identity: str,
        latents_identity: str,
        device: torch.device,
        texts: Texts | None = None,
    ):
        self.transformer, self.vae, self.texts, self.device = network, vae, texts, device
        self.identity, self.latents_identity = identity, latents_identity
        self.shape = RobotShape(
            options.views, options.height, options.width, options.history, options.frames, options.actions, options.fps
        )
        self.sigma_min, self.sigma_max = options.sigma_min, options.sigma_max
        self.noise_aug, self.decode_chunk, self.vae_batch = options.noise_aug, options.decode_chunk, options.vae_batch
        self.scaling = float(vae.config.scaling_factor)
        self.view_shape = latent_shape(vae.config, options.height, options.width)

    @property
    def state_shape(self) -> tuple[int, ...]:
        channels, height, width = self.view_shape
        return (self.shape.frames, channels, len(self.shape.views) * height, width)

    @torch.no_grad()
    def encode_views(self, frames: Tensor) -> Tensor:
        self._check("frames", frames, (len(self.shape.views), self.shape.height, self.shape.width, 3), torch.uint8)

        def encode(pictures: Tensor) -> Tensor:
            unit = pictures.to(self.device).movedim(-1, 1).to(self.vae.dtype) / 127.5 - 1
            return self.vae.encode(unit).latent_dist.mode().float() * self.scaling

        return in_chunks(encode, frames.flatten(0, 1), self.vae_batch).unflatten(0, frames.shape[:2])

    def decode_views(self, latents: Tensor) -> Tensor:
        """As the protocol. The N frames are one after another in time, decoded `decode_chunk` together."""
        self._check("latents", latents, (len(self.shape.views), *self.view_shape))
        return self._decode(latents[None])[0]

    def stack(self, latents: Tensor) -> Tensor:
        return stack(latents)

    def unstack(self, x: Tensor) -> Tensor:
        return unstack(x, len(self.shape.views))

    @torch.no_grad()
    def context(
        self, history: Tensor, current: Tensor, actions: Tensor, texts: Sequence[str] | None = None
    ) -> Condition:
        """-> history [B, H, C, V h, w], current [B, C, V h, w], actions [B, H + frames, actions], heard [B]: 1 where
        the network is told the actions, and, for a model that is told instructions, text [B, dim].

        Raises ValueError for other shapes and for numbers that are not finite.
        """
        views = (len(self.shape.views), *self.view_shape)
        self._check("history", history, (self.shape.history, *views))
        self._check("current", current, views)
        self._check("actions", actions, (self.shape.history + self.shape.frames, self.shape.actions))
        parts = {"history": history, "current": current, "actions": actions}
        for name, part in parts.items():
            if len(part) != len(history):
                raise ValueError(f"{name} are of {len(part)} chunks, but history of {len(history)}: give as many")
            if not torch.isfinite(part).all():
                raise ValueError(f"{name} hold numbers that are not finite")
        tensors = {
            "history": self.stack(history.float()).to(self.device),
            "current": self.stack(current.float()).to(self.device),
            "actions": actions.float().to(self.device),
            "heard": torch.ones(len(history), device=self.device),
        }
        if self.texts is not None:
            tensors["text"] = self.texts(["" for _ in range(len(history))] if texts is None else texts)
        return Condition(tensors)

    def unheard(self, condition: Condition, rows: Tensor) -> Condition:
        """`condition` with the tokens of `rows` (booleans [B]) zeroed, as Ctrl-World's training does now and then: a
        network trained so can be told nothing."""
        heard = condition.tensors["heard"] * (~rows).to(condition.tensors["heard"])
        return Condition({**condition.tensors, "heard": heard})

    def noise(self, seeds: Sequence[int]) -> Tensor:
        return draw(seeds, self.state_shape)[0].to(self.device)

    def denoised(self, x: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
        given = condition.to(x.device).tensors
        history, frames = given["history"].to(x), self.shape.history + self.shape.frames
        beside = (given["current"].to(x) / self.scaling)[:, None].expand(-1, frames, -1, -1, -1)
        ids = x.new_tensor([FPS_ID, MOTION_BUCKET, self.noise_aug]).expand(len(x), -1)

        def network(scaled: Tensor, c_noise: Tensor) -> Tensor:
            sample = torch.cat([torch.cat([history, scaled], dim=1), beside], dim=2).to(self.transformer.dtype)
            said = self.transformer(
                sample, c_noise, given["actions"], ids, heard=given["heard"], text=given.get("text")
            )
            return said[:, self.shape.history :].to(x)

        return v_prediction_scales(sigma).denoised(network, x)

    @torch.no_grad()
    def sample_chunk(self, condition: Condition, seeds: Sequence[int], steps: int) -> Tensor:
        start = self.start(self.noise(seeds), condition)
        return ode(lambda x, sigma: self.velocity(x, sigma, condition), start, self.sigmas(steps)).clean

    def decode(self, x: Tensor) -> Tensor:
        return self._decode(self.unstack(x))

    @torch.no_grad()
    def _decode(self, latents: Tensor) -> Tensor:
        """[B, T, V, C, h, w] -> uint8 [B, T, V, H, W, 3] on the CPU: each view of each video on its own."""
        batch, views = latents.shape[0], latents.shape[2]
        videos = latents.to(self.device).transpose(1, 2).flatten(0, 1)

        def decode(part: Tensor) -> Tensor:
            return torch.cat([self._pictures(piece) for piece in part.split(self.decode_chunk, dim=1)], dim=1)

        return in_chunks(decode, videos, self.vae_batch).unflatten(0, (batch, views)).transpose(1, 2)

    def _pictures(self, latents: Tensor) -> Tensor:
        """[N, T, C, h, w] -> uint8 [N, T, H, W, 3] on the CPU."""
        raw = (latents / self.scaling).flatten(0, 1).to(self.vae.dtype)
        unit = self.vae.decode(raw, num_frames=latents.shape[1]).sample.float()
        pixels = ((unit.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        return pixels.movedim(1, -1).cpu().unflatten(0, latents.shape[:2])

    def _check(self, name: str, tensor: Tensor, wanted: tuple[int, ...], dtype: torch.dtype | None = None) -> None:
        if tuple(tensor.shape[1:]) != wanted or (dtype is not None and tensor.dtype != dtype):
            kind = f"{dtype} " if dtype else ""
            raise ValueError(
                f"{name} are {tensor.dtype} {list(tensor.shape)}: give {kind}[N, {', '.join(map(str, wanted))}], for "
                f"the views {', '.join(self.shape.views)}"
            )


def latent_shape(vae: Any, height: int, width: int) -> tuple[int, int, int]:
    """(C, h, w) of one view's latents, from the config of an AutoencoderKLTemporalDecoder."""
    side = 2 ** (len(vae["block_out_channels"]) - 1)
    return vae["latent_channels"], height // side, width // side
