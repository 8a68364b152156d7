"""LTX-2 (19 B, video with sound), as diffusers' LTX2ImageToVideoPipeline runs it, without guidance of any kind.

A state is flat: the video's tokens, then the audio's. The tokens of the first latent frame are held: they carry the
image and have time 0. The audio is carried along from noise by its own velocity, since the video attends to it, but no
loss looks at it. Two-stage upsampling is not used, and no sound is ever decoded: of the audio VAE only the config is
read.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from models.video.flow import Flow
from models.video.ltx2.facts import DISTILLED_SIGMAS, LORA_TARGETS, LTX2Options
from models.video.pixels import check_images, check_videos, draw, in_chunks, to_bytes, to_unit
from models.video.protocol import Condition, VideoShape


class LTX2(Flow):
    """Implements models.video.protocol.VideoModel over the parts of an LTX2ImageToVideoPipeline folder.

    `parts` are by their folder names; without text_encoder, tokenizer and connectors prompts only come from a cache.
    """

    lora_targets = LORA_TARGETS

    def __init__(
        self,
        parts: Mapping,
        audio_shape: tuple[int, int, int],
        shape: VideoShape,
        identity: str,
        device: torch.device,
        max_prompt_tokens: int,
        vae_batch: int = 1,
        options: LTX2Options | None = None,
    ):
        self.transformer, self.vae, self.scheduler = parts["transformer"], parts["vae"], parts["scheduler"]
        self.text_encoder, self.tokenizer = parts.get("text_encoder"), parts.get("tokenizer")
        self.connectors = parts.get("connectors")
        self.shape, self.identity, self.device = shape, identity, device
        self.max_prompt_tokens, self.vae_batch = max_prompt_tokens, vae_batch
        self.options = options or LTX2Options()
        self.dtype = self.transformer.dtype
        self.latent_shape = latent_shape(self.transformer.config, shape)
        self.audio_shape = audio_shape  # (C, L, M) of the audio latents
        view = (1, -1, 1, 1, 1)
        self._mean = self.vae.latents_mean.float().view(view).to(device)
        self._std = (self.vae.latents_std.float() / self.vae.config.scaling_factor).view(view).to(device)

    @property
    def state_shape(self) -> tuple[int, ...]:
        return (self._tokens * self.latent_shape[0] + self._audio_tokens * self._audio_channels,)

    @property
    def mask(self) -> Tensor | None:
        mask = 1 - self.held
        mask[self._tokens * self.latent_shape[0] :] = 0
        return mask

    @property
    def held(self) -> Tensor | None:
        held = torch.zeros(self.state_shape, device=self.device)
        held[: self._first * self.latent_shape[0]] = 1
        return held

    @torch.no_grad()
    def encode_image(self, images: Tensor) -> Condition:
        """-> image float32 [B, N, C]: the tokens of the first latent frame."""
        check_images(images, self.shape)
        frames = torch.stack([torch.from_numpy(self._compressed(image)) for image in images.cpu().numpy()])
        latents = in_chunks(lambda part: self._encode(to_unit(part)), frames[:, None].to(self.device), self.vae_batch)
        return Condition({"image": pack(latents)})

    @torch.no_grad()
    def encode_prompt(self, prompts: Sequence[str]) -> Condition:
        """-> prompt [B, L, D], audio_prompt [B, L, D'], prompt_mask int64 [B, L]: what the connectors make of Gemma's
        layers; the mask is all 1, since registers fill up short prompts.

        One prompt at a time: its stacked layers are about 0.4 GB, and no batch then changes a result.
        """
        if self.text_encoder is None:
            raise RuntimeError("the text encoder is not loaded: the model was built without encoders")
        return Condition.cat([self._encode_one_prompt(prompt) for prompt in prompts])

    def noise(self, seeds: Sequence[int]) -> Tensor:
        video, audio = draw(seeds, self.latent_shape, self.audio_shape)
        return self._join(pack(video), audio.transpose(1, 2).flatten(2)).to(self.device)

    def sigmas(self, steps: int) -> Tensor:
        """Shifted by the number of video tokens, or the 8 distilled levels (WMSD's "LTX-2 8-step")."""
        if self.options.schedule == "distilled":
            if steps != len(DISTILLED_SIGMAS) - 1:
                raise ValueError(f"steps: {steps} does not fit the distilled schedule: use {len(DISTILLED_SIGMAS) - 1}")
            return torch.tensor(DISTILLED_SIGMAS, device=self.device)
        config = self.scheduler.config
        low, high = config.get("base_image_seq_len", 1024), config.get("max_image_seq_len", 4096)
        base, most = config.get("base_shift", 0.95), config.get("max_shift", 2.05)
        shift = base + (most - base) * (self._tokens - low) / (high - low)
        levels = torch.linspace(1, 1 / steps, steps, dtype=torch.float64).tolist()
        self.scheduler.set_timesteps(sigmas=levels, mu=shift)
        return self.scheduler.sigmas.float().to(self.device)

    def velocity(self, x: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
        parts = {name: tensor.to(x.device) for name, tensor in condition.tensors.items()}
        video, audio = self._split(x)
        video = torch.cat([parts["image"].to(x), video[:, self._first :]], dim=1)
        time = sigma * self.scheduler.config.num_train_timesteps
        moving = torch.ones(self._tokens, device=x.device)
        moving[: self._first] = 0
        frames, height, width = self.latent_shape[1:]
        video_velocity, audio_velocity = self.transformer(
            hidden_states=video.to(self.dtype),
            audio_hidden_states=audio.to(self.dtype),
            encoder_hidden_states=parts["prompt"].to(self.dtype),
            audio_encoder_hidden_states=parts["audio_prompt"].to(self.dtype),
            timestep=time[:, None] * moving,
            audio_timestep=time,
            sigma=time,
            encoder_attention_mask=parts["prompt_mask"],
            audio_encoder_attention_mask=parts["prompt_mask"],
            num_frames=frames,
            height=height,
            width=width,
            fps=self.shape.fps,
            audio_num_frames=self._audio_tokens,
            use_cross_timestep=self._cross_timestep,
            return_dict=False,
        )
        return self._join(video_velocity.float() * moving[:, None], audio_velocity.float())

    def start(self, noise: Tensor, condition: Condition) -> Tensor:
        image = condition.tensors["image"].to(noise).flatten(1)
        return torch.cat([image, noise[:, image.shape[1] :]], dim=1)

    @torch.no_grad()
    def encode_video(self, videos: Tensor) -> Tensor:
        """The audio of a silent video is unknown: its tokens are 0, the mean of normalised audio latents."""
        check_videos(videos, self.shape)
        latents = in_chunks(lambda part: self._encode(to_unit(part.to(self.device))), videos, self.vae_batch)
        audio = latents.new_zeros(len(latents), self._audio_tokens, self._audio_channels)
        return self._join(pack(latents), audio)

    @torch.no_grad()
    def decode(self, x: Tensor) -> Tensor:
        def decode(part: Tensor) -> Tensor:
            tokens, _ = self._split(part)
            latents = tokens.transpose(1, 2).unflatten(2, self.latent_shape[1:]) * self._std + self._mean
            # VAEs that are told a time are told 0, as the pipeline does unless asked otherwise: nothing is added.
            time = torch.zeros(len(part), device=part.device) if self.vae.config.timestep_conditioning else None
            return to_bytes(self.vae.decode(latents.to(self.vae.dtype), time, return_dict=False)[0])

        return in_chunks(decode, x.to(self.device), self.vae_batch)

    @property
    def _tokens(self) -> int:
        return self.latent_shape[1] * self._first

    @property
    def _first(self) -> int:
        """Tokens of the first latent frame."""
        return self.latent_shape[2] * self.latent_shape[3]

    @property
    def _audio_tokens(self) -> int:
        return self.audio_shape[1]

    @property
    def _audio_channels(self) -> int:
        return self.audio_shape[0] * self.audio_shape[2]

    @property
    def _cross_timestep(self) -> bool:
        """LTX-2.3, told by its modulated prompts, looks at the other stream's time; LTX-2.0 does not."""
        asked = self.options.cross_timestep
        config = self.transformer.config
        return (config.cross_attn_mod or config.audio_cross_attn_mod) if asked is None else asked

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Flat states -> video tokens [B, S, C], audio tokens [B, L, C']."""
        border = self._tokens * self.latent_shape[0]
        video, audio = x[:, :border], x[:, border:]
        return video.unflatten(1, (self._tokens, -1)), audio.unflatten(1, (self._audio_tokens, -1))

    @staticmethod
    def _join(video: Tensor, audio: Tensor) -> Tensor:
        return torch.cat([video.flatten(1), audio.flatten(1)], dim=1)

    def _compressed(self, image):
        """The model was trained on first frames cut from compressed videos; an untouched picture is foreign to it."""
        if not self.options.image_crf:
            return image
        from diffusers.pipelines.ltx2.utils import apply_image_conditioning_crf

        return apply_image_conditioning_crf(image, self.options.image_crf)

    def _encode(self, video: Tensor) -> Tensor:
        return (self.vae.encode(video.to(self.vae.dtype)).latent_dist.mode().float() - self._mean) / self._std

    def _encode_one_prompt(self, prompt: str) -> Condition:
        tokens = self.tokenizer(
            [prompt.strip()],
            padding="max_length",
            max_length=self.max_prompt_tokens,
            truncation=True,
            add_special_tokens=True,
            return_tensors="pt",
        ).to(self.device)
        layers = self.text_encoder(**tokens, output_hidden_states=True).hidden_states
        stacked = torch.stack(layers, dim=-1).flatten(2, 3)
        prompt, audio_prompt, mask = self.connectors(stacked, tokens.attention_mask, padding_side="left")
        return Condition({"prompt": prompt, "audio_prompt": audio_prompt, "prompt_mask": mask})


def pack(latents: Tensor) -> Tensor:
    """[B, C, T', H', W'] -> tokens [B, T' H' W', C], frame by frame, row by row."""
    return latents.flatten(2).transpose(1, 2)


def latent_shape(transformer: Mapping, shape: VideoShape) -> tuple[int, int, int, int]:
    """(C, T', H', W') of the video's latents."""
    steps, rows, columns = transformer["vae_scale_factors"]
    return (transformer["in_channels"], (shape.frames - 1) // steps + 1, shape.height // rows, shape.width // columns)
