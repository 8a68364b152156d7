"""A video model of a few thousand parameters that denoises in the EDM parametrisation, with the whole protocol.

Videos are 8 frames of 16 x 16 pixels, states [3, 8, 4, 4] the means of 4 x 4 pixels, prompts the bytes of their text.
"""

from collections.abc import Sequence

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.loaders import PeftAdapterMixin
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from models.video.edm import EDM, v_prediction_scales
from models.video.pixels import check_images, check_videos, draw, to_bytes, to_unit
from models.video.protocol import Condition, VideoShape

CELL = 4  # pixels along each side of a cell
PROMPT_BYTES = 64


class TinyDenoiser(ModelMixin, ConfigMixin, PeftAdapterMixin):
    """F of each cell and frame: from the cell, its neighbours in time, the first frame's cell, level and prompt."""

    _supports_gradient_checkpointing = True

    @register_to_config
    def __init__(self, channels: int = 3, width: int = 16):
        super().__init__()
        self.prompt = nn.Embedding(256, width)
        self.first = nn.Linear(4 * channels + 1 + width, width)
        self.last = nn.Linear(width, channels)

    def forward(self, x: Tensor, c_noise: Tensor, image: Tensor, prompt: Tensor) -> Tensor:
        """[B, C, T, h, w], [B], the first frame's cells [B, C, h, w], bytes int64 [B, L] -> [B, C, T, h, w]."""
        around = torch.cat([x, x.roll(1, 2), x.roll(-1, 2), image[:, :, None].expand_as(x)], dim=1).movedim(1, -1)
        words = self.prompt(prompt).mean(1)
        told = torch.cat([c_noise[:, None].to(x), words], dim=1)[:, None, None, None].expand(*around.shape[:-1], -1)
        return self.last(nn.functional.silu(self.first(torch.cat([around, told], dim=-1)))).movedim(-1, 1)


class TinyEDM(EDM):
    """Implements models.video.protocol.VideoModel with random weights, the same for the same seed."""

    identity = "tiny_edm:0123456789abcdef"
    shape = VideoShape(8, 16, 16, 4.0)
    device = torch.device("cpu")
    lora_targets = ("first", "last")
    state_shape = (3, 8, 16 // CELL, 16 // CELL)
    mask = held = None
    sigma_max = 700.0

    def __init__(self, seed: int = 0):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.transformer = TinyDenoiser().eval().requires_grad_(False)

    def encode_image(self, images: Tensor) -> Condition:
        """-> image float32 [B, 3, h, w]."""
        check_images(images, self.shape)
        return Condition({"image": cells(images[:, None])[:, :, 0]})

    def encode_prompt(self, prompts: Sequence[str]) -> Condition:
        """-> prompt int64 [B, PROMPT_BYTES], 0 behind each prompt's end."""
        texts = [list(prompt.encode()[:PROMPT_BYTES]) for prompt in prompts]
        return Condition({"prompt": torch.tensor([text + [0] * (PROMPT_BYTES - len(text)) for text in texts])})

    def noise(self, seeds: Sequence[int]) -> Tensor:
        return draw(seeds, self.state_shape)[0]

    def denoised(self, x: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
        def network(scaled: Tensor, c_noise: Tensor) -> Tensor:
            return self.transformer(scaled, c_noise, condition.tensors["image"].to(x), condition.tensors["prompt"])

        return v_prediction_scales(sigma).denoised(network, x)

    def encode_video(self, videos: Tensor) -> Tensor:
        check_videos(videos, self.shape)
        return cells(videos)

    def decode(self, x: Tensor) -> Tensor:
        return to_bytes(x.repeat_interleave(CELL, -1).repeat_interleave(CELL, -2))


def cells(videos: Tensor) -> Tensor:
    """uint8 [B, T, H, W, 3] -> the cells' means float32 [B, 3, T, H / CELL, W / CELL] in [-1, 1]."""
    return nn.functional.avg_pool3d(to_unit(videos), (1, CELL, CELL))
