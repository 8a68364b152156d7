"""Wan image-to-video models, as diffusers' WanImageToVideoPipeline runs them, without guidance.

Three ways to give the first frame, told apart by the checkpoint's configs:
- by channels (the microworld's own model): the latents of the frame followed by grey, and a mask, beside the noise;
- by channels and CLIP (Wan 2.1 I2V): the same, and the frame's CLIP embedding in the cross-attention;
- held (Wan 2.2 TI2V-5B, `expand_timesteps`): the frame's latents stand in the state's first place, at time 0.

Wan 2.2 A14B has one transformer for high and one for low noise, each of 14 B parameters. One LoRA on one transformer
cannot train both, so such checkpoints are refused.
"""

import html
import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from models.video.flow import Flow
from models.video.pixels import check_images, check_videos, draw, in_chunks, to_bytes, to_unit
from models.video.protocol import Condition, VideoShape
from models.video.wan.facts import LORA_TARGETS


class Wan(Flow):
    """Implements models.video.protocol.VideoModel over the parts of a WanImageToVideoPipeline folder.

    `parts` are by their folder names; without text_encoder and tokenizer conditions can only come from a
    cache. A state is the latents [C, T', H', W'], normalised.
    """

    lora_targets = LORA_TARGETS

    def __init__(
        self,
        parts: Mapping,
        shape: VideoShape,
        identity: str,
        device: torch.device,
        max_prompt_tokens: int,
        expand_timesteps: bool = False,
        vae_batch: int = 1,
    ):
        self.transformer, self.vae, self.scheduler = parts["transformer"], parts["vae"], parts["scheduler"]
        self.text_encoder, self.tokenizer = parts.get("text_encoder"), parts.get("tokenizer")
        self.image_encoder, self.image_processor = parts.get("image_encoder"), parts.get("image_processor")
        self.shape, self.identity, self.device = shape, identity, device
        self.max_prompt_tokens, self.vae_batch, self.expand_timesteps = max_prompt_tokens, vae_batch, expand_timesteps
        self.dtype = self.transformer.dtype
        view = (1, self.vae.config.z_dim, 1, 1, 1)
        self._mean = torch.tensor(self.vae.config.latents_mean, device=device).view(view)
        self._std = torch.tensor(self.vae.config.latents_std, device=device).view(view)

    @property
    def state_shape(self) -> tuple[int, ...]:
        return latent_shape(self.vae.config, self.shape)

    @property
    def mask(self) -> Tensor | None:
        return None if self.held is None else 1 - self.held

    @property
    def held(self) -> Tensor | None:
        if not self.expand_timesteps:
            return None
        held = torch.zeros(1, self.state_shape[1], 1, 1, device=self.device)
        held[:, 0] = 1
        return held

    @torch.no_grad()
    def encode_image(self, images: Tensor) -> Condition:
        """-> image float32: [B, M + C, T', H', W'] (mask, latents) or, held, [B, C, 1, H', W']; clip [B, N, D]."""
        check_images(images, self.shape)
        first = images.to(self.device)[:, None]
        if self.expand_timesteps:
            return Condition({"image": in_chunks(lambda part: self._encode(to_unit(part)), first, self.vae_batch)})
        grey = images.new_zeros(1, 3, self.shape.frames - 1, *images.shape[1:3], dtype=torch.float32).to(self.device)

        def encode(frame: Tensor) -> Tensor:
            return self._encode(torch.cat([to_unit(frame), grey.expand(len(frame), -1, -1, -1, -1)], dim=2))

        latents = in_chunks(encode, first, self.vae_batch)
        mask = latents.new_zeros(len(latents), self.vae.config.scale_factor_temporal, *latents.shape[2:])
        mask[:, :, 0] = 1
        tensors = {"image": torch.cat([mask, latents], dim=1)}
        if self.transformer.config.image_dim is not None:
            tensors["clip"] = self._encode_clip(images)
        return Condition(tensors)

    @torch.no_grad()
    def encode_prompt(self, prompts: Sequence[str]) -> Condition:
        """-> prompt [B, max_prompt_tokens, D], zero behind each prompt's end (and attended to, as Wan does)."""
        if self.text_encoder is None:
            raise RuntimeError("the text encoder is not loaded: the model was built without encoders")
        return Condition({"prompt": torch.cat([self._encode_one_prompt(prompt) for prompt in prompts])})

    def noise(self, seeds: Sequence[int]) -> Tensor:
        return draw(seeds, self.state_shape)[0].to(self.device)

    def sigmas(self, steps: int) -> Tensor:
        """As the checkpoint's own scheduler sets them: its shift, its first and last level."""
        self.scheduler.set_timesteps(steps)
        return self.scheduler.sigmas.float().to(self.device)

    def velocity(self, x: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
        time = sigma * self.scheduler.config.num_train_timesteps
        image = condition.tensors["image"].to(x)
        clip = condition.tensors.get("clip")
        if self.expand_timesteps:
            inputs = torch.cat([image, x[:, :, 1:]], dim=2)
            time = time[:, None] * self._moving_tokens()
        else:
            inputs = torch.cat([x, image], dim=1)
        velocity = self.transformer(
            hidden_states=inputs.to(self.dtype),
            timestep=time,
            encoder_hidden_states=condition.tensors["prompt"].to(x.device, self.dtype),
            encoder_hidden_states_image=None if clip is None else clip.to(x.device, self.dtype),
            return_dict=False,
        )[0].float()
        return velocity if self.mask is None else velocity * self.mask

    def start(self, noise: Tensor, condition: Condition) -> Tensor:
        if not self.expand_timesteps:
            return super().start(noise, condition)
        return torch.cat([condition.tensors["image"].to(noise), noise[:, :, 1:]], dim=2)

    @torch.no_grad()
    def encode_video(self, videos: Tensor) -> Tensor:
        check_videos(videos, self.shape)
        return in_chunks(lambda part: self._encode(to_unit(part.to(self.device))), videos, self.vae_batch)

    @torch.no_grad()
    def decode(self, x: Tensor) -> Tensor:
        def decode(part: Tensor) -> Tensor:
            return to_bytes(self.vae.decode((part * self._std + self._mean).to(self.vae.dtype), return_dict=False)[0])

        return in_chunks(decode, x.to(self.device), self.vae_batch)

    def _encode(self, video: Tensor) -> Tensor:
        latents = self.vae.encode(video.to(self.vae.dtype)).latent_dist.mode().float()
        return (latents - self._mean) / self._std

    def _encode_clip(self, images: Tensor) -> Tensor:
        if self.image_encoder is None:
            raise RuntimeError("the CLIP image encoder is not loaded: the model was built without encoders")
        from PIL import Image

        pictures = [Image.fromarray(image) for image in images.cpu().numpy()]
        hidden = []
        for picture in pictures:  # one at a time: its embedding must not depend on the others
            pixels = self.image_processor(images=picture, return_tensors="pt").to(self.device)
            hidden.append(self.image_encoder(**pixels, output_hidden_states=True).hidden_states[-2])
        return torch.cat(hidden)

    def _encode_one_prompt(self, prompt: str) -> Tensor:
        tokens = self.tokenizer(
            [clean(prompt)],
            padding="max_length",
            max_length=self.max_prompt_tokens,
            truncation=True,
            add_special_tokens=True,
            return_attention_mask=True,
            return_tensors="pt",
        ).to(self.device)
        hidden = self.text_encoder(tokens.input_ids, tokens.attention_mask).last_hidden_state
        return hidden * tokens.attention_mask[..., None].to(hidden.dtype)

    def _moving_tokens(self) -> Tensor:
        """Float32 [tokens]: 0 at the tokens of the held first frame, 1 elsewhere."""
        frames, height, width = self.state_shape[1:]
        depth, rows, columns = self.transformer.config.patch_size
        moving = torch.ones(frames // depth, height // rows * (width // columns), device=self.device)
        moving[0] = 0
        return moving.flatten()


def clean(prompt: str) -> str:
    """Text as Wan's tokenizer wants it: mended encoding, no HTML entities, single spaces."""
    import ftfy

    return re.sub(r"\s+", " ", html.unescape(html.unescape(ftfy.fix_text(prompt)))).strip()


def latent_shape(vae: Mapping, shape: VideoShape) -> tuple[int, int, int, int]:
    """(C, T', H', W') of the latents, from the VAE's config."""
    side, steps = vae["scale_factor_spatial"], vae["scale_factor_temporal"]
    return (vae["z_dim"], (shape.frames - 1) // steps + 1, shape.height // side, shape.width // side)
