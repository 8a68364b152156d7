"""A trained LoRA on a model's denoiser: found, checked before anything is loaded, put on and taken off again.

Weights are read from safetensors only. The adapter is built by peft as training builds it, in float32 whatever the
base's precision, so that it gives the very policy that was trained.
"""

import contextlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from models.video.whole_tensors import WHOLE, in_place
from models.weights import check_whole
from storage.files import sha256_bytes, sha256_file

WEIGHTS = "pytorch_lora_weights.safetensors"
METADATA = "lora_adapter_metadata"
KEY = re.compile(r"(?:transformer\.)?(?P<layer>\S+)\.lora_(?P<side>[AB])\.weight")
NAME = "evaluated"
OTHER_KINDS = ("use_dora", "use_qalora", "use_bdlora", "modules_to_save", "bias")


class BadLoRA(ValueError):
    """A LoRA that cannot be taken; the message names the file and what is wrong."""


@dataclass(frozen=True)
class LoRA:
    """A LoRA file. `source` as it was asked for, with the commit when it came from the Hub. `whole`: the file of
    tensors trained whole beside it, if there is one; `sha256` is then of both."""

    file: Path
    source: str
    sha256: str
    whole: Path | None = None


def find_lora(path: str, revision: str | None = None) -> LoRA:
    """The LoRA at `path`: a folder with pytorch_lora_weights.safetensors, a .safetensors file, or a Hub id owner/name.

    Raises FileNotFoundError when there is none, ValueError for a revision of a local one, BadLoRA for a file that is no
    whole safetensors file.
    """
    local, source = Path(path).expanduser(), path
    file = local / WEIGHTS if local.is_dir() else local
    if file.is_file():
        if revision is not None:
            raise ValueError(f"revision {revision!r} is set for the local LoRA {path}: it is only for Hub ids")
    elif local.is_dir() or path.count("/") != 1 or path.startswith((".", "/", "~")):
        raise FileNotFoundError(f"no LoRA {path!r}: give a folder with {WEIGHTS}, such a file, or a Hub id")
    else:
        file, source = _from_hub(path, revision)
    try:
        check_whole(file)
    except ValueError as error:
        raise BadLoRA(str(error)) from error
    whole = file.with_name(WHOLE)
    if file.name != WEIGHTS or not whole.is_file():
        return LoRA(file, source, sha256_file(file))
    both = sha256_bytes(f"{sha256_file(file)}{sha256_file(whole)}".encode())
    return LoRA(file, source, both, whole)


@contextlib.contextmanager
def wearing(transformer: nn.Module, lora: LoRA | None) -> Iterator[None]:
    """Inside, `transformer` is the adapted model; afterwards the base again, layer by layer. None: the base.

    Raises BadLoRA when the file's tensors do not fit the layers, are not finite, or are not those of a plain LoRA.
    """
    if lora is None:
        yield
        return
    tensors, config = read_lora(lora.file, transformer)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(in_place(transformer, lora.whole))
        except ValueError as error:
            raise BadLoRA(str(error)) from error
        stack.enter_context(adapted(transformer, lora.file, tensors, config))
        yield


@contextlib.contextmanager
def adapted(transformer: nn.Module, file: Path, tensors: dict[str, Tensor], config) -> Iterator[None]:
    """Inside, `transformer` has an adapter of `config` (peft's) with these tensors. Raises BadLoRA where they do not
    fit."""
    from peft import set_peft_model_state_dict

    put_on(transformer, config, NAME)
    try:
        found = {key: p for key, p in transformer.named_parameters() if f".{NAME}." in key and "lora_" in key}
        for parameter in found.values():
            parameter.data = parameter.data.float()
        report = set_peft_model_state_dict(transformer, tensors, adapter_name=NAME)
        if report.unexpected_keys or len(found) != len(tensors):
            raise BadLoRA(
                f"{file} has {len(tensors)} tensors, but the model has {len(found)} places for them. Without a place: "
                f"{report.unexpected_keys[:3]}"
            )
        transformer.requires_grad_(False)
        yield
    finally:
        take_off(transformer)


def put_on(transformer: nn.Module, config, name: str) -> None:
    """Puts an adapter of `config` (peft's) beside the layers, by diffusers' own method where the class has one: it
    remembers what it loaded. Any other module gets the same layers and the same names from peft itself."""
    from peft import inject_adapter_in_model

    if hasattr(transformer, "add_adapter"):
        transformer.add_adapter(config, adapter_name=name)
    else:
        inject_adapter_in_model(config, transformer, adapter_name=name)


def take_off(transformer: nn.Module) -> None:
    """Takes all adapters off: every layer is the very one that was there before."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    if hasattr(transformer, "unload_lora"):
        transformer.unload_lora()
        return
    wrapped = {name: layer for name, layer in transformer.named_modules() if isinstance(layer, BaseTunerLayer)}
    for name, layer in wrapped.items():
        above, _, attribute = name.rpartition(".")
        setattr(transformer.get_submodule(above), attribute, layer.get_base_layer())
    if hasattr(transformer, "peft_config"):
        del transformer.peft_config


def read_lora(file: Path, transformer: nn.Module) -> tuple[dict[str, Tensor], "object"]:
    """(tensors by name as peft takes them, peft's LoraConfig) of a file for `transformer`. Raises BadLoRA."""
    from peft import LoraConfig
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt", device="cpu") as opened:
            metadata = opened.metadata() or {}
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise BadLoRA(f"{file} is not a safetensors file: {error}") from error
    linear = {name: layer for name, layer in transformer.named_modules() if isinstance(layer, nn.Linear)}
    sides: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        match = KEY.fullmatch(key)
        if match is None or match["layer"] not in linear:
            what = "names no linear layer of the model" if match else "does not belong to a plain LoRA"
            raise BadLoRA(f"{file}: tensor {key!r:.200} {what}. Names must be like transformer.LAYER.lora_A.weight")
        sides.setdefault(match["layer"], {})[match["side"]] = tensor
    if not sides:
        raise BadLoRA(f"{file} has no tensors")
    ranks = {layer: _rank(file, layer, parts, linear[layer]) for layer, parts in sides.items()}
    told = _told(file, metadata)
    rank = next(iter(ranks.values()))
    config = LoraConfig(
        r=rank,
        lora_alpha=told.get("lora_alpha") or rank,
        rank_pattern={layer: r for layer, r in ranks.items() if r != rank},
        alpha_pattern=told.get("alpha_pattern") or {},
        target_modules=sorted(sides),
        use_rslora=bool(told.get("use_rslora")),
    )
    return {key.removeprefix("transformer."): tensor.float() for key, tensor in tensors.items()}, config


def _rank(file: Path, layer: str, parts: Mapping[str, Tensor], linear: nn.Linear) -> int:
    if parts.keys() != {"A", "B"}:
        raise BadLoRA(f"{file}: {layer} has only lora_{''.join(parts)}, but needs A and B")
    a, b = parts["A"], parts["B"]
    fits = a.ndim == b.ndim == 2 and a.shape[1] == linear.in_features and b.shape[0] == linear.out_features
    if not fits or a.shape[0] != b.shape[1] or not a.shape[0]:
        raise BadLoRA(
            f"{file}: {layer} has A {list(a.shape)} and B {list(b.shape)}, but the model needs "
            f"[r, {linear.in_features}] and [{linear.out_features}, r]"
        )
    if not (
        a.is_floating_point() and b.is_floating_point() and bool(torch.isfinite(a).all() & torch.isfinite(b).all())
    ):
        raise BadLoRA(f"{file}: {layer} has numbers that are not finite")
    return a.shape[0]


def _told(file: Path, metadata: Mapping[str, str]) -> dict:
    """What the file says of its adapter, since alpha is in no tensor. Kinds that tensors do not show are refused."""
    if METADATA not in metadata:
        return {}
    try:
        told = {key.removeprefix("transformer."): value for key, value in json.loads(metadata[METADATA]).items()}
        alphas = (told.get("lora_alpha") or 1, *(told.get("alpha_pattern") or {}).values())
    except (ValueError, AttributeError, RecursionError) as error:
        raise BadLoRA(f"{file}: its metadata {METADATA} is not a JSON object of an adapter") from error
    if not all(type(alpha) in (int, float) and math.isfinite(alpha) and alpha > 0 for alpha in alphas):
        raise BadLoRA(f"{file}: its metadata has alpha {alphas!r:.100}, which must be above 0")
    others = [name for name in OTHER_KINDS if told.get(name) not in (None, False, "none", [])]
    if others:
        raise BadLoRA(f"{file}: its metadata has {', '.join(others)}: only a plain LoRA is supported")
    return told


def _from_hub(path: str, revision: str | None) -> tuple[Path, str]:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    try:
        file = Path(hf_hub_download(path, WEIGHTS, revision=revision))
        with contextlib.suppress(EntryNotFoundError):
            hf_hub_download(path, WHOLE, revision=revision)
    except (HfHubHTTPError, LocalEntryNotFoundError, EntryNotFoundError) as error:
        raise FileNotFoundError(f"{path!r} is no LoRA here, nor could it be downloaded: {error}") from error
    return file, f"{path}@{file.parent.name}"
