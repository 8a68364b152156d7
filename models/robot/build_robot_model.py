"""From options to a robot world model, its identities, and what it costs."""

import hashlib
import json

import torch
from torch import nn

from models.robot.checkpoint import MODEL, open_robot, parts_of, read_network, skeleton
from models.robot.ctrl_world import CtrlWorld, latent_shape
from models.robot.options import RobotModelOptions, RobotSettings
from models.robot.protocol import RobotWorldModel
from models.video.build_video_model import device_of
from models.video.checkpoint import Checkpoint
from models.video.facts import VAE, Description
from models.weights import fingerprint

SVD_VAE_COST = VAE(97.7e6, 12e6, 60, 4)  # AutoencoderKLTemporalDecoder at SVD's widths; FLOPs and bytes are rough
ENCODING = 1  # raised when the same input is encoded or conditioned on otherwise than before


def build_robot_model(options: RobotModelOptions) -> RobotWorldModel:
    """The model, frozen, on its device.

    Raises FileNotFoundError (no checkpoint, or a part is missing) and ValueError (parts that do not fit each other or
    what is asked, damaged files, numbers that are not finite), before weights are loaded where that can be seen.
    """
    from diffusers import AutoencoderKLTemporalDecoder

    checkpoint, _ = open_robot(options)
    device = device_of(options.device)
    check_sizes(checkpoint, options)
    network = read_network(checkpoint, options, device)
    vae = checkpoint.load("vae", AutoencoderKLTemporalDecoder, torch.float32, device)
    texts = text_reader(checkpoint, network, device) if options.text else None
    identity, latents = identities(checkpoint, options)
    return CtrlWorld(network, vae, options, identity, latents, device, texts)


def identify(options: RobotModelOptions) -> str:
    """The identity that `build_robot_model` would give the model, without loading it. Raises as that does."""
    return identities(open_robot(options)[0], options)[0]


def identify_latents(options: RobotModelOptions) -> str:
    """The latents_identity that `build_robot_model` would give the model, without loading it. Raises as that does."""
    return identities(open_robot(options)[0], options)[1]


def identities(checkpoint: Checkpoint, options: RobotModelOptions) -> tuple[str, str]:
    """Each `ctrl_world:` and 16 hexadecimal digits: over the content of all weights and what changes what is made, and
    over the content of the VAE and the size of its pictures."""
    settings = options.model_dump(mode="json", include={*RobotSettings.model_fields, "dtype", "decode_chunk", "adapt"})
    parts = checkpoint.content(parts_of(options))
    model = "" if checkpoint.commit else fingerprint(checkpoint.root / MODEL)
    vae = checkpoint.content({"vae": "weights"})
    return _named(settings, parts, model), _named({"height": options.height, "width": options.width}, vae)


def describe(options: RobotModelOptions) -> Description:
    """What a cost planner needs, from configs alone: no weights are read. `tokens` are those of the first level; deeper
    levels have a quarter each, so a count of FLOPs from `layers` is an upper bound. Raises as building does."""
    checkpoint, _ = open_robot(options, weights=False)
    check_sizes(checkpoint, options)
    network = skeleton(checkpoint.config("unet"), options)
    channels, height, width = latent_shape(checkpoint.config("vae"), options.height, options.width)
    rows, frames = len(options.views) * height * width, options.history + options.frames
    wide = network.unet.config.block_out_channels
    linear = {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Linear)}
    return Description(
        kind=options.kind,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        hidden=wide[0],
        ffn=4 * wide[0],
        depth=sum(name.endswith("transformer_blocks.0") for name, _ in network.named_modules()),
        tokens=frames * rows,
        audio_tokens=0,
        context_tokens=frames,
        joint_context=False,
        state_size=options.frames * channels * rows,
        pixels=options.frames * len(options.views) * options.height * options.width,
        vae=SVD_VAE_COST,
        layers={name: (layer.in_features, layer.out_features) for name, layer in linear.items()},
        tensors={name: tuple(parameter.shape) for name, parameter in network.named_parameters()},
    )


def check_sizes(checkpoint: Checkpoint, options: RobotModelOptions) -> None:
    """Raises ValueError unless views of this size have latents, of as many channels as the UNet takes."""
    from diffusers import AutoencoderKLTemporalDecoder

    vae = checkpoint.full_config("vae", AutoencoderKLTemporalDecoder)
    side = 2 ** (len(vae["block_out_channels"]) - 1)
    for name in ("height", "width"):
        value = getattr(options, name)
        if value % side:
            below = max(side, value // side * side)
            raise ValueError(
                f"model.{name}: {value} pixels do not fit this VAE: use a multiple of {side}, e.g. {below} or "
                f"{below + side}"
            )
    given = checkpoint.config("unet").get("out_channels", 4)
    if vae["latent_channels"] != given:
        raise ValueError(
            f"{checkpoint.source}: the VAE has {vae['latent_channels']} latent channels, but the UNet makes {given}: "
            "these parts are not of one model"
        )


def text_reader(checkpoint: Checkpoint, network: nn.Module, device: torch.device):
    """What embeds instructions with the folder's CLIP: texts -> float32 [B, dim]."""
    from transformers import CLIPTextModelWithProjection

    encoder = checkpoint.load("text_encoder", CLIPTextModelWithProjection, torch.float32, device)
    tokenizer = checkpoint.load_tokenizer("tokenizer")
    width, dim = network.unet.config.cross_attention_dim, encoder.config.projection_dim
    if width % dim:
        raise ValueError(
            f"{checkpoint.source}: text_encoder makes {dim} numbers, which do not go into the tokens' {width} evenly"
        )

    @torch.no_grad()
    def read(texts: list[str]) -> torch.Tensor:
        embedded = []
        for text in texts:  # one at a time: an embedding must not depend on the others
            tokens = tokenizer([text], padding="max_length", truncation=True, return_tensors="pt").to(device)
            embedded.append(encoder(**tokens).text_embeds.float())
        return torch.cat(embedded)

    return read


def _named(*content: object) -> str:
    text = json.dumps([ENCODING, *content], sort_keys=True)
    return f"ctrl_world:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
