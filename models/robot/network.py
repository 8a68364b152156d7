"""The denoising network of Ctrl-World: Stable Video Diffusion's UNet with a token a frame, and what makes the tokens.

Parameter names are those of Ctrl-World's own class (`unet.*`, `action_encoder.action_encode.*`), so that its state
dicts load as they are.
"""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import UNetSpatioTemporalConditionModel
from torch import Tensor, nn


class FrameTokenUNet(UNetSpatioTemporalConditionModel):
    """diffusers' UNet with another forward: its own repeats one token a sample over all frames, here each has one.

    In the blocks each frame attends to its own token in space. In time diffusers attends to the first frame's token
    alone, the oldest of the history, as the released Ctrl-World does.
    """

    def forward(
        self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, added_time_ids: Tensor
    ) -> Tensor:
        """sample [B, T, channels, H, W], timestep [B], encoder_hidden_states [B, T, dim], added_time_ids [B, ids] ->
        [B, T, out channels, H, W]. Raises ValueError unless there is a token for each frame."""
        batch, frames = sample.shape[:2]
        if encoder_hidden_states.shape[:2] != (batch, frames):
            raise ValueError(
                f"the tokens are {list(encoder_hidden_states.shape)}: they must be [{batch}, {frames}, dim], one for "
                "each frame of each sample"
            )
        embedding = self.time_embedding(self.time_proj(timestep).to(sample.dtype))
        ids = self.add_time_proj(added_time_ids.flatten()).reshape(batch, -1).to(sample.dtype)
        embedding = (embedding + self.add_embedding(ids)).repeat_interleave(frames, dim=0, output_size=batch * frames)
        given = {"temb": embedding, "image_only_indicator": sample.new_zeros(batch, frames)}
        tokens = encoder_hidden_states.flatten(0, 1)[:, None]

        hidden = self.conv_in(sample.flatten(0, 1))
        kept = [hidden]
        for block in self.down_blocks:
            hidden, passed = block(hidden_states=hidden, **given, **_attended(block, tokens))
            kept.extend(passed)
        hidden = self.mid_block(hidden_states=hidden, encoder_hidden_states=tokens, **given)
        for block in self.up_blocks:
            passed = tuple(kept[-len(block.resnets) :])
            del kept[-len(block.resnets) :]
            # Sizes that do not halve evenly come back through the size of what was kept at the next level.
            size = kept[-1].shape[2:] if kept else None
            hidden = block(
                hidden_states=hidden,
                res_hidden_states_tuple=passed,
                upsample_size=size,
                **given,
                **_attended(block, tokens),
            )
        out = self.conv_out(self.conv_act(self.conv_norm_out(hidden)))
        return out.unflatten(0, (batch, frames))


def _attended(block: nn.Module, tokens: Tensor) -> dict[str, Tensor]:
    return {"encoder_hidden_states": tokens} if getattr(block, "has_cross_attention", False) else {}


class ActionEncoder(nn.Module):
    """Actions [..., actions] -> tokens [..., width], each frame on its own, through three linear layers."""

    def __init__(self, actions: int, width: int):
        super().__init__()
        self.action_encode = nn.Sequential(
            nn.Linear(actions, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)
        )
        for layer in (self.action_encode[0], self.action_encode[2]):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, actions: Tensor) -> Tensor:
        return self.action_encode(actions.to(self.action_encode[0].weight.dtype))


class CtrlWorldNetwork(nn.Module):
    """F of the preconditioned denoiser: UNet and action encoder, so that a LoRA and a state dict hold both.

    `frame_level`: a token for each frame from its own action; otherwise one from all actions (`actions` numbers a
    frame, `frames` of them, history included), the same for every frame.
    """

    def __init__(
        self, unet: Mapping[str, Any] | None = None, actions: int = 7, frames: int = 11, frame_level: bool = True
    ):
        """`unet`: the config of UNetSpatioTemporalConditionModel; its defaults are Stable Video Diffusion's."""
        super().__init__()
        config = {name: value for name, value in (unet or {}).items() if not name.startswith("_")}
        self.frame_level = frame_level
        self.unet = FrameTokenUNet.from_config({"num_frames": frames, **config})
        self.action_encoder = ActionEncoder(actions if frame_level else frames * actions, token_width(self.unet.config))

    @property
    def dtype(self) -> torch.dtype:
        """Of the UNet. The action encoder stays float32: it is small, and is trained whole."""
        return self.unet.conv_in.weight.dtype

    def enable_gradient_checkpointing(self) -> None:
        self.unet.enable_gradient_checkpointing()

    def tokens(self, actions: Tensor, heard: Tensor | None = None, text: Tensor | None = None) -> Tensor:
        """Actions [B, T, actions], normalised -> tokens [B, T, width]. A text's embedding [B, width / n] is repeated n
        times and added to each; where `heard` [B] is 0 all are zero."""
        told = actions if self.frame_level else actions.flatten(1)[:, None]
        tokens = self.action_encoder(told)
        if text is not None:
            tokens = tokens + text.to(tokens).repeat(1, tokens.shape[-1] // text.shape[-1])[:, None]
        if heard is not None:
            tokens = tokens * heard.to(tokens)[:, None, None]
        return tokens.expand(-1, actions.shape[1], -1).to(self.dtype)

    def forward(
        self,
        sample: Tensor,
        c_noise: Tensor,
        actions: Tensor,
        time_ids: Tensor,
        heard: Tensor | None = None,
        text: Tensor | None = None,
    ) -> Tensor:
        """The UNet's input [B, T, 2 C, V h, w], ln(sigma) / 4 [B], actions [B, T, actions], time ids [B, 3], and
        perhaps which are told [B] and a text's embedding [B, width / n] -> F [B, T, C, V h, w]."""
        return self.unet(sample, c_noise, self.tokens(actions, heard, text), time_ids)


def token_width(config: Mapping[str, Any]) -> int:
    """cross_attention_dim of a UNet's config. Raises ValueError when its levels do not share one."""
    widths = config["cross_attention_dim"]
    distinct = {widths} if isinstance(widths, int) else set(widths)
    if len(distinct) != 1:
        raise ValueError(f"cross_attention_dim is {list(widths)}: all levels must have the same, that of the tokens")
    return distinct.pop()
