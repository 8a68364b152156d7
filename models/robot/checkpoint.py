"""A robot world model's folder: found, held against what is asked of it, and read.

model.safetensors   `unet.*` and `action_encoder.*`, named as in Ctrl-World's checkpoint-*.pt
unet/config.json    of diffusers' UNetSpatioTemporalConditionModel
vae/                diffusers' AutoencoderKLTemporalDecoder
text_encoder/, tokenizer/   CLIP, for a model that is told instructions
robot.json          what it was trained for (models.robot.options.RobotFile)
statistics.json     of the states of its episodes (robots/statistics.py)
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from models.robot.network import CtrlWorldNetwork
from models.robot.options import RobotFile, RobotModelOptions, RobotSettings
from models.video.checkpoint import Checkpoint, open_checkpoint
from models.weights import check_whole
from storage.json_files import read_object
from storage.options import mistakes

MODEL, ROBOT, STATISTICS, UNET_CONFIG = "model.safetensors", "robot.json", "statistics.json", "unet/config.json"
FIRST_LAYER = "action_encoder.action_encode.0.weight"
TRAINED_FOR = ("views", "height", "width", "history", "frames", "actions", "fps", "frame_level", "text")
UNALIKE = {"frame_level", "text"}  # not to be adapted: other weights


def parts_of(options: RobotSettings) -> dict[str, str]:
    """The parts with files of their own: name -> kind, as Checkpoint.check takes them."""
    text = {"text_encoder": "weights", "tokenizer": "tokenizer"} if options.text else {}
    return {"unet": "config", "vae": "weights", **text}


def open_robot(options: RobotModelOptions, weights: bool = True) -> tuple[Checkpoint, RobotFile]:
    """The folder or Hub repository that the options name, checked without reading weights.

    Raises FileNotFoundError for a missing part, ValueError for one that is damaged or does not fit what is asked.
    """
    root = Path(options.path).expanduser()
    if root.is_dir() and not (root / ROBOT).is_file():
        raise FileNotFoundError(
            f"{options.path} has no {ROBOT}: give the folder of a robot world model. One is made of a released "
            "checkpoint-*.pt, or of a Stable Video Diffusion folder, by python -m models.robot.convert"
        )
    files = (ROBOT, STATISTICS, *((MODEL,) if weights else ()))
    parts = parts_of(options)
    checkpoint = open_checkpoint(options.path, options.revision, parts, weights, index=ROBOT, files=files)
    file = read_robot_file(checkpoint.root / ROBOT)
    check_asked(options, file, options.path)
    if weights:
        checkpoint.check(parts)
        if not (checkpoint.root / MODEL).is_file():
            raise FileNotFoundError(f"{options.path} has no {MODEL}: the checkpoint is incomplete")
        check_whole(checkpoint.root / MODEL)
    return checkpoint, file


def read_robot_file(path: Path) -> RobotFile:
    """Raises FileNotFoundError, or ValueError naming the file and every mistake in it."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: it says what a robot world model was trained for")
    try:
        return RobotFile.model_validate(read_object(path))
    except ValidationError as error:
        raise ValueError("\n".join([f"{path} is wrong:", *(f"  {one}" for one in mistakes(error))])) from error


def options_for(path: str | Path, **settings) -> RobotModelOptions:
    """Options that ask of the folder `path` what its robot.json says; `settings` are the others, or changes."""
    file = read_robot_file(Path(path) / ROBOT)
    known = file.model_dump(include=set(RobotSettings.model_fields))
    return RobotModelOptions(**{**known, "path": str(path), **settings})


def check_asked(options: RobotModelOptions, file: RobotFile, source: str) -> None:
    """Raises ValueError where the options ask for something else than the checkpoint was trained for. Views may have
    other names, but not be more or fewer; with `adapt` only what needs other weights is refused."""
    for name in TRAINED_FOR:
        asked, trained = getattr(options, name), getattr(file, name)
        alike = len(asked) == len(trained) if name == "views" else asked == trained
        if alike or (options.adapt and name not in UNALIKE):
            continue
        shown = {"asked": list(asked), "trained": list(trained)} if name == "views" else {}
        count = f" ({len(asked)} against {len(trained)})" if name == "views" else ""
        hint = "" if name in UNALIKE else ", or set model.adapt to train it for these"
        raise ValueError(
            f"model.{name} is {shown.get('asked', asked)}, but {source} was trained for "
            f"{shown.get('trained', trained)}{count}: ask for that{hint}"
        )


def read_network(checkpoint: Checkpoint, options: RobotModelOptions, device: torch.device) -> CtrlWorldNetwork:
    """The network with its weights, frozen: the UNet in `options.dtype`, the action encoder in float32.

    Raises ValueError for weights that are missing, too many, of another shape, or not finite.
    """
    from safetensors.torch import load_file

    network = skeleton(checkpoint.config("unet"), options)
    file = checkpoint.root / MODEL
    state = load_file(file)
    if options.adapt:
        state = _adapted(state, network)
    check_state(state, network.state_dict(), str(file))
    kinds = {
        name: torch.float32 if name.startswith("action_encoder.") else getattr(torch, options.dtype) for name in state
    }
    network.load_state_dict({name: tensor.to(device, kinds[name]) for name, tensor in state.items()}, assign=True)
    return network.eval().requires_grad_(False)


def skeleton(config: Mapping, options: RobotSettings) -> CtrlWorldNetwork:
    """The network on torch's meta device: every layer with its shape, no memory. Raises ValueError for a config whose
    channels are not those of a chunk and its current frame."""
    channels, out = config.get("in_channels", 8), config.get("out_channels", 4)
    if channels != 2 * out:
        raise ValueError(
            f"the UNet takes {channels} channels and gives {out}: it must take {2 * out}, the noisy latents and beside "
            "them those of the current frame"
        )
    with torch.device("meta"):
        return CtrlWorldNetwork(config, options.actions, options.history + options.frames, options.frame_level)


def check_state(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: str) -> None:
    """Raises ValueError, naming the first few, unless `state` has the names and shapes of `wanted` and is finite."""
    missing, extra = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or extra:
        shown = "; ".join(
            f"{len(names)} {what}: {', '.join(names[:3])}"
            for what, names in (("missing", missing), ("without a place", extra))
            if names
        )
        raise ValueError(f"{source} does not fit unet/config.json: {shown}")
    for name, tensor in state.items():
        if tensor.shape != wanted[name].shape:
            raise ValueError(
                f"{source}: {name} is {list(tensor.shape)}, but must be {list(wanted[name].shape)} by unet/config.json "
                "and the actions asked for"
            )
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{source}: {name} has {int((~torch.isfinite(tensor)).sum())} numbers that are not finite")


def _adapted(state: dict[str, Tensor], network: CtrlWorldNetwork) -> dict[str, Tensor]:
    """For another number of actions: a new first layer of the action encoder, the same each time."""
    wanted = network.action_encoder.action_encode[0].weight.shape
    if FIRST_LAYER not in state or state[FIRST_LAYER].shape == wanted:
        return state
    generator = torch.Generator().manual_seed(0)
    return {**state, FIRST_LAYER: torch.randn(wanted, generator=generator) * (2 / wanted[1]) ** 0.5}
