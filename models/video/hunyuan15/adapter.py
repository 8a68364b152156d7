"""HunyuanVideo-1.5 image-to-video, as diffusers' HunyuanVideo15ImageToVideoPipeline runs it, without guidance.

The first frame is given twice: its latents and a mask beside the noisy latents, by channels, and its SigLIP tokens in
the joint attention, before the glyphs that the prompt quotes (ByT5) and the prompt itself (Qwen2.5-VL). diffusers'
transformer has no guidance embedding: a checkpoint distilled to run without guidance is one like any other here, the
others lose what guidance would add. Checkpoints of `use_meanflow` predict the mean velocity from one time to another,
which is no velocity field, and are refused.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from models.video.flow import Flow
from models.video.hunyuan15.facts import LORA_TARGETS
from models.video.pixels import check_images, check_videos, draw, in_chunks, to_bytes, to_unit
from models.video.protocol import Condition, VideoShape

GLYPH_TOKENS = 256
VAE_BATCH = 1  # the attention of diffusers' VAE (0.42) masks its first item only, and fails for more than one


class Hunyuan15(Flow):
    """Implements models.video.protocol.VideoModel over the parts of a HunyuanVideo15ImageToVideoPipeline folder.

    `parts` are by their folder names; without the encoders conditions can only come from a cache. A state is the
    latents [C, T', H', W'].
    """

    lora_targets = LORA_TARGETS
    mask = held = None

    def __init__(
        self,
        parts: Mapping,
        shape: VideoShape,
        identity: str,
        device: torch.device,
        max_prompt_tokens: int,
    ):
        self.transformer, self.vae, self.scheduler = parts["transformer"], parts["vae"], parts["scheduler"]
        self.text_encoder, self.tokenizer = parts.get("text_encoder"), parts.get("tokenizer")
        self.text_encoder_2, self.tokenizer_2 = parts.get("text_encoder_2"), parts.get("tokenizer_2")
        self.image_encoder, self.feature_extractor = parts.get("image_encoder"), parts.get("feature_extractor")
        self.shape, self.identity, self.device = shape, identity, device
        self.max_prompt_tokens = max_prompt_tokens
        self.dtype = self.transformer.dtype

    @property
    def state_shape(self) -> tuple[int, ...]:
        return latent_shape(self.vae.config, self.shape)

    @torch.no_grad()
    def encode_image(self, images: Tensor) -> Condition:
        """-> image float32 [B, C, 1, H', W'], image_tokens [B, N, D]. Raises RuntimeError without SigLIP."""
        check_images(images, self.shape)
        if self.image_encoder is None:
            raise RuntimeError("the SigLIP image encoder is not loaded: the model was built without encoders")
        first = images.to(self.device)[:, None]
        latents = in_chunks(lambda part: self._encode(to_unit(part)), first, VAE_BATCH)
        tokens = [self._encode_one_image(image) for image in images.cpu().numpy()]
        return Condition({"image": latents, "image_tokens": torch.cat(tokens)})

    @torch.no_grad()
    def encode_prompt(self, prompts: Sequence[str]) -> Condition:
        """-> prompt [B, L, D], glyphs [B, 256, D'], and prompt_mask, glyphs_mask int64. The chat template, the layer
        that is read and how quoted glyphs are found are the pipeline's own."""
        if self.text_encoder is None:
            raise RuntimeError("the text encoders are not loaded: the model was built without encoders")
        return Condition.cat([self._encode_one_prompt(prompt) for prompt in prompts])

    def noise(self, seeds: Sequence[int]) -> Tensor:
        return draw(seeds, self.state_shape)[0].to(self.device)

    def sigmas(self, steps: int) -> Tensor:
        """Even levels, shifted as the checkpoint's scheduler says."""
        self.scheduler.set_timesteps(sigmas=torch.linspace(1, 0, steps + 1, dtype=torch.float64)[:-1].tolist())
        return self.scheduler.sigmas.float().to(self.device)

    def velocity(self, x: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
        parts = {name: tensor.to(x.device) for name, tensor in condition.tensors.items()}
        image = torch.zeros_like(x)
        image[:, :, :1] = parts["image"]
        mask = torch.zeros_like(x[:, :1])
        mask[:, :, 0] = 1
        return self.transformer(
            hidden_states=torch.cat([x, image, mask], dim=1).to(self.dtype),
            # In the weights' precision, as the pipeline gives it: the embedding has no cast of its own.
            timestep=(sigma * self.scheduler.config.num_train_timesteps).to(self.dtype),
            encoder_hidden_states=parts["prompt"].to(self.dtype),
            encoder_attention_mask=parts["prompt_mask"].to(self.dtype),
            encoder_hidden_states_2=parts["glyphs"].to(self.dtype),
            encoder_attention_mask_2=parts["glyphs_mask"].to(self.dtype),
            image_embeds=parts["image_tokens"].to(self.dtype),
            return_dict=False,
        )[0].float()

    @torch.no_grad()
    def encode_video(self, videos: Tensor) -> Tensor:
        check_videos(videos, self.shape)
        return in_chunks(lambda part: self._encode(to_unit(part.to(self.device))), videos, VAE_BATCH)

    @torch.no_grad()
    def decode(self, x: Tensor) -> Tensor:
        def decode(part: Tensor) -> Tensor:
            latents = (part / self.vae.config.scaling_factor).to(self.vae.dtype)
            return to_bytes(self.vae.decode(latents, return_dict=False)[0])

        return in_chunks(decode, x.to(self.device), VAE_BATCH)

    def _encode(self, video: Tensor) -> Tensor:
        return self.vae.encode(video.to(self.vae.dtype)).latent_dist.mode().float() * self.vae.config.scaling_factor

    def _encode_one_image(self, image) -> Tensor:
        from PIL import Image

        pixels = self.feature_extractor.preprocess(
            images=Image.fromarray(image), do_resize=True, do_convert_rgb=True, return_tensors="pt"
        ).to(device=self.device, dtype=self.image_encoder.dtype)
        return self.image_encoder(**pixels).last_hidden_state

    def _encode_one_prompt(self, prompt: str) -> Condition:
        from diffusers import HunyuanVideo15ImageToVideoPipeline as Pipeline

        hidden, mask = Pipeline._get_mllm_prompt_embeds(
            self.text_encoder, self.tokenizer, [prompt], self.device, tokenizer_max_length=self.max_prompt_tokens
        )
        glyphs, glyphs_mask = Pipeline._get_byt5_prompt_embeds(
            self.tokenizer_2, self.text_encoder_2, [prompt], self.device, tokenizer_max_length=GLYPH_TOKENS
        )
        # What the masks hide is never looked at; zeros there make a cache of conditions about ten times smaller.
        hidden = hidden.masked_fill(mask[..., None] == 0, 0)
        glyphs = glyphs.masked_fill(glyphs_mask[..., None] == 0, 0)
        return Condition({"prompt": hidden, "prompt_mask": mask, "glyphs": glyphs, "glyphs_mask": glyphs_mask})


def latent_shape(vae: Mapping, shape: VideoShape) -> tuple[int, int, int, int]:
    """(C, T', H', W') of the latents, from the VAE's config."""
    side, steps = vae["spatial_compression_ratio"], vae["temporal_compression_ratio"]
    return (vae["latent_channels"], (shape.frames - 1) // steps + 1, shape.height // side, shape.width // side)
