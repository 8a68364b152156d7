"""Between Ctrl-World's released state dicts, Stable Video Diffusion's folders, and our own folder of a model."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from models.robot.checkpoint import MODEL, check_state
from models.robot.export import write_robot_model
from models.robot.network import CtrlWorldNetwork
from models.robot.options import RobotFile
from models.weights import read_json
from storage.files import replacing

OURS = ("unet.", "action_encoder.")
SVD_VAE = {  # vae/config.json of stable-video-diffusion-img2vid
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 768,
    "scaling_factor": 0.18215,
}


def read_pt(file: Path) -> dict[str, Tensor]:
    """The state dict in a .pt file, by torch's restricted reader. Raises ValueError for anything else in it."""
    try:
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except OSError:
        raise
    except Exception as error:  # torch raises many kinds for damaged and for unsafe files
        raise ValueError(f"{file} is no .pt file of tensors alone: {str(error).splitlines()[0][:200]}") from error
    if not isinstance(state, Mapping) or not all(isinstance(part, Tensor) for part in state.values()):
        raise ValueError(f"{file} holds no state dict: names with a tensor each are expected")
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def from_pt(
    file: Path,
    out: Path,
    *,
    unet: Mapping | None = None,
    vae: Mapping | None = None,
    clip: Path | None = None,
    statistics: Mapping | None = None,
    robot: RobotFile | None = None,
) -> Path:
    """The folder `out` of a released checkpoint-*.pt. `unet` and `vae` are configs, Stable Video Diffusion's unless
    given; `clip`: a folder of CLIP's text model, for a model that is told instructions. Raises ValueError where the
    tensors are not those of such a model."""
    from diffusers import AutoencoderKLTemporalDecoder

    state, robot = read_pt(file), robot or RobotFile(contract="droid", base=file.name, text=clip is not None)
    with torch.device("meta"):
        network = CtrlWorldNetwork(unet, robot.actions, robot.history + robot.frames, robot.frame_level)
        codec = AutoencoderKLTemporalDecoder(**(vae or SVD_VAE))
    ours = {name: tensor for name, tensor in state.items() if name.startswith(OURS)}
    check_state(ours, network.state_dict(), str(file))
    frozen = {name.removeprefix("vae."): tensor for name, tensor in state.items() if name.startswith("vae.")}
    check_state(frozen, codec.state_dict(), f"{file} (vae)")
    codec.load_state_dict(frozen, assign=True)
    write_robot_model(out, network, codec, robot, state=ours, statistics=statistics)
    if clip is not None:
        _write_clip(clip, out)
    return out


def from_svd(folder: Path, out: Path, robot: RobotFile, statistics: Mapping | None = None) -> Path:
    """The folder `out` of a model to be trained: UNet and VAE of a Stable Video Diffusion folder, the action encoder as
    it starts. Raises as reading does for parts that are missing or damaged."""
    from diffusers import UNetSpatioTemporalConditionModel

    loaded = UNetSpatioTemporalConditionModel.from_pretrained(
        folder / "unet", local_files_only=True, use_safetensors=True
    )
    config = read_json(folder / "unet" / "config.json")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = CtrlWorldNetwork(config, robot.actions, robot.history + robot.frames, robot.frame_level)
    network.unet.load_state_dict(loaded.state_dict())
    return write_robot_model(out, network, folder / "vae", robot, statistics=statistics)


def to_pt(folder: Path, out: Path, frozen: Path | None = None) -> Path:
    """Writes the model in `folder` as one state dict of plain tensors, as Ctrl-World saves its own; `frozen`: a
    released .pt, whose other tensors are copied."""
    from safetensors.torch import load_file

    state = {} if frozen is None else read_pt(frozen)
    for part in ("vae", "text_encoder"):
        for file in sorted((folder / part).glob("*.safetensors")):
            state |= {f"{part}.{name}": tensor for name, tensor in load_file(file).items()}
    state |= load_file(folder / MODEL)
    with replacing(out) as temporary:
        torch.save({name: tensor.clone() for name, tensor in state.items()}, temporary)
    return out


def _write_clip(clip: Path, out: Path) -> None:
    from transformers import AutoTokenizer, CLIPTextModelWithProjection

    encoder = CLIPTextModelWithProjection.from_pretrained(clip, local_files_only=True, use_safetensors=True)
    encoder.save_pretrained(out / "text_encoder")
    tokenizer = AutoTokenizer.from_pretrained(clip, local_files_only=True, trust_remote_code=False)
    tokenizer.save_pretrained(out / "tokenizer")
