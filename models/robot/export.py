"""A robot world model written whole, in the folder that models/robot/checkpoint.py reads."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from models.robot.checkpoint import MODEL, ROBOT, STATISTICS, UNET_CONFIG
from models.robot.network import CtrlWorldNetwork
from models.robot.options import RobotFile
from storage.files import replacing, write_bytes
from storage.json_files import read_object


def write_robot_model(
    folder: Path,
    network: CtrlWorldNetwork,
    vae: nn.Module | Path,
    robot: RobotFile,
    *,
    state: Mapping[str, Tensor] | None = None,
    statistics: Mapping | None = None,
    beside: Path | None = None,
    card: str | None = None,
) -> Path:
    """Writes the model into `folder`, which is made; files there of the same names are replaced.

    `state` is what is written instead of the network's own tensors, as `merged` gives it. `vae`: diffusers' module, or
    the folder that holds one. `statistics`: of the states of its episodes, as statistics.json holds them. `beside`: the
    folder of the base, whose text encoder and tokenizer are copied where it has them. `card`: the text of README.md.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / UNET_CONFIG, {**_plain(network.unet.config), "_class_name": "UNetSpatioTemporalConditionModel"})
    if isinstance(vae, nn.Module):
        vae.save_pretrained(folder / "vae")
        config = read_object(folder / "vae" / "config.json")
        config.pop("_name_or_path", None)  # where it was read from is no part of what it is
        write_json(folder / "vae" / "config.json", config)
    else:
        _copy(vae, folder / "vae")
    for part in ("text_encoder", "tokenizer"):
        if beside is not None and (beside / part).is_dir():
            _copy(beside / part, folder / part)
    write_json(folder / ROBOT, robot.model_dump(mode="json"))
    if statistics is not None:
        write_json(folder / STATISTICS, statistics)
    if card is not None:
        write_bytes(folder / "README.md", card.encode())
    write_state(folder / MODEL, network.state_dict() if state is None else state)
    return folder


def merged(
    network: nn.Module, adapter: str | None = None, whole: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """The network's tensors under the names they have without adapters: where `adapter` is worn W + its scaled B A
    (summed in float32, in the precision of W), and `whole` (name -> tensor) in place of the network's own.

    The network stays as it is. Raises KeyError for an adapter that no layer has, or a tensor without a place.
    """
    from peft.tuners.lora import LoraLayer

    state: dict[str, Tensor] = {}
    worn = 0
    layers = {name: module for name, module in network.named_modules() if isinstance(module, LoraLayer)}
    for name, tensor in network.state_dict().items():
        if ".lora_" in name:
            continue
        plain = name.replace(".base_layer.", ".")
        layer = layers.get(name.rpartition(".base_layer.")[0])
        if adapter is not None and layer is not None and name.endswith(".weight") and adapter in layer.lora_A:
            tensor = (tensor.float() + layer.get_delta_weight(adapter).float()).to(tensor.dtype)
            worn += 1
        state[plain] = tensor.detach()
    if adapter is not None and not worn:
        raise KeyError(f"no layer wears the adapter {adapter!r}")
    for name, tensor in (whole or {}).items():
        if name not in state:
            raise KeyError(f"the network has no tensor {name!r} to be trained whole")
        state[name] = tensor.detach()
    return state


def write_state(file: Path, state: Mapping[str, Tensor]) -> None:
    """Writes tensors to a safetensors file, atomically and in a fixed order."""
    from safetensors.torch import save_file

    with replacing(file) as temporary:
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(state.items())},
            temporary,
            metadata={"format": "pt"},
        )


def write_json(file: Path, content: Mapping) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(file, (json.dumps(content, indent=2, sort_keys=True) + "\n").encode())


def _plain(config: Mapping) -> dict:
    return {name: value for name, value in config.items() if not name.startswith("_")}


def _copy(source: Path, target: Path) -> None:
    """The files of one part, without anything below it."""
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.iterdir()):
        if file.is_file() and file.resolve() != (target / file.name).resolve():
            shutil.copyfile(file, target / file.name)
