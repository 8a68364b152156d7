"""Wan image-to-video models: the first frame's latents and a mask join the noisy latents by channels (Wan 2.1)."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from models.video.protocol import Condition, VideoShape

LORA_TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2")


class Wan:
    """Implements models.video.protocol.VideoModel over the parts of a WanImageToVideoPipeline folder."""

    lora_targets = LORA_TARGETS

    def __init__(self, parts: dict, shape: VideoShape, identity: str, device: torch.device, max_prompt_tokens: int):
        self.transformer, self.vae, self.scheduler = parts["transformer"], parts["vae"], parts["scheduler"]
        self.text_encoder, self.tokenizer = parts.get("text_encoder"), parts.get("tokenizer")
        self.shape, self.identity, self.device = shape, identity, device
        self.max_prompt_tokens = max_prompt_tokens
        config = self.vae.config
        view = (1, config.z_dim, 1, 1, 1)
        self._mean = torch.tensor(config.latents_mean, device=device).view(view)
        self._std = torch.tensor(config.latents_std, device=device).view(view)
        self.mask = None

    @property
    def state_shape(self) -> tuple[int, ...]:
        config = self.vae.config
        frames = (self.shape.frames - 1) // config.scale_factor_temporal + 1
        side = config.scale_factor_spatial
        return (config.z_dim, frames, self.shape.height // side, self.shape.width // side)

    @torch.no_grad()
    def encode_image(self, images: Tensor) -> Condition:
        video = images.new_zeros((len(images), 3, self.shape.frames, *images.shape[1:3]), dtype=torch.float32)
        video[:, :, 0] = images.permute(0, 3, 1, 2).float() / 127.5 - 1
        latents = self._encode(video.to(self.device))
        factor = self.vae.config.scale_factor_temporal
        mask = latents.new_zeros((len(latents), factor, *latents.shape[2:]))
        mask[:, :, 0] = 1
        return Condition({"image": torch.cat([mask, latents], dim=1)})

    @torch.no_grad()
    def encode_prompt(self, prompts: Sequence[str]) -> Condition:
        if self.text_encoder is None:
            raise RuntimeError("the text encoder is not in memory: conditions come from their cache")
        tokens = self.tokenizer(
            list(prompts),
            padding="max_length",
            max_length=self.max_prompt_tokens,
            truncation=True,
            add_special_tokens=True,
            return_attention_mask=True,
            return_tensors="pt",
        ).to(self.device)
        hidden = self.text_encoder(tokens.input_ids, tokens.attention_mask).last_hidden_state
        # As Wan does: what lies behind a prompt's end is zero, and attended to.
        return Condition({"prompt": (hidden * tokens.attention_mask[..., None]).float()})

    def free_encoders(self) -> None:
        self.text_encoder = self.tokenizer = None

    def noise(self, seeds: Sequence[int]) -> Tensor:
        drawn = [torch.randn(self.state_shape, generator=torch.Generator().manual_seed(int(seed))) for seed in seeds]
        return torch.stack(drawn).to(self.device)

    def sigmas(self, steps: int) -> Tensor:
        self.scheduler.set_timesteps(steps)
        return self.scheduler.sigmas.float()

    def velocity(self, x: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
        dtype = self.transformer.dtype
        inputs = torch.cat([x, condition.tensors["image"].to(x)], dim=1).to(dtype)
        return self.transformer(
            hidden_states=inputs,
            timestep=sigma * self.scheduler.config.num_train_timesteps,
            encoder_hidden_states=condition.tensors["prompt"].to(dtype),
            return_dict=False,
        )[0].float()

    def start(self, noise: Tensor, condition: Condition) -> Tensor:
        return noise

    @torch.no_grad()
    def encode_video(self, videos: Tensor) -> Tensor:
        return self._encode(videos.to(self.device).permute(0, 4, 1, 2, 3).float() / 127.5 - 1)

    @torch.no_grad()
    def decode(self, x: Tensor) -> Tensor:
        video = self.vae.decode((x * self._std + self._mean).to(self.vae.dtype), return_dict=False)[0]
        return ((video.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 4, 1).cpu()

    def _encode(self, video: Tensor) -> Tensor:
        latents = self.vae.encode(video.to(self.vae.dtype)).latent_dist.mode().float()
        return (latents - self._mean) / self._std


def load(path: Path, shape: VideoShape, device: torch.device, max_prompt_tokens: int) -> Wan:
    """From a local folder, in its own precision (first version: build.py replaces it)."""
    from diffusers import FlowMatchEulerDiscreteScheduler, WanTransformer3DModel
    from transformers import AutoTokenizer, UMT5EncoderModel

    from models.video.frame_vae import FrameVAE

    parts = {
        "transformer": WanTransformer3DModel.from_pretrained(path / "transformer").to(device),
        "vae": FrameVAE.from_pretrained(path / "vae").to(device),
        "scheduler": FlowMatchEulerDiscreteScheduler.from_pretrained(path / "scheduler"),
        "text_encoder": UMT5EncoderModel.from_pretrained(path / "text_encoder").to(device),
        "tokenizer": AutoTokenizer.from_pretrained(path / "tokenizer"),
    }
    return Wan(parts, shape, str(path), device, max_prompt_tokens)
