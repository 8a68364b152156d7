"""Tensors of a denoiser that were trained whole, beside a LoRA: written, read, put in place and taken out again."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

WHOLE = "whole_tensors.safetensors"  # beside pytorch_lora_weights.safetensors, where a run trained some

Place = tuple[str, nn.Module, str]  # a parameter's name, its layer, and its attribute there


def places(transformer: nn.Module, names: Sequence[str]) -> list[Place]:
    """The places of the parameters that `names` name, each itself or by a layer above it, in a fixed order.

    Found before adapters are put on, which wrap layers. Raises KeyError for a name that is neither a layer with
    parameters nor a parameter.
    """
    found = {}
    for name in names:
        below = [key for key, _ in transformer.named_parameters() if key == name or key.startswith(name + ".")]
        if not below:
            raise KeyError(f"{name!r} is neither a layer nor a parameter of {type(transformer).__name__}")
        for key in below:
            layer, _, attribute = key.rpartition(".")
            found[key] = (key, transformer.get_submodule(layer), attribute)
    return [found[key] for key in sorted(found)]


def write_whole(tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Writes tensors trained whole, float32 as trained, by their parameters' names; no file where there are none."""
    from safetensors.torch import save_file

    if tensors:
        kept = {name: tensor.detach().float().cpu().contiguous() for name, tensor in sorted(tensors.items())}
        save_file(kept, folder / WHOLE)


@contextlib.contextmanager
def in_place(transformer: nn.Module, file: Path | None) -> Iterator[None]:
    """Inside, the tensors of `file` stand for the transformer's own; afterwards these are back. None: nothing changes.

    Enter it before adapters are put on. Raises ValueError when a tensor has no place, another shape, or numbers that
    are not finite.
    """
    if file is None:
        yield
        return
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(file)
        at = places(transformer, list(tensors))
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"{file}: {error}") from error
    held = {name: layer._parameters[attribute] for name, layer, attribute in at}
    for name, own in held.items():
        given = tensors.get(name)
        if given is None or given.shape != own.shape or not bool(torch.isfinite(given).all()):
            shape = "nothing" if given is None else list(given.shape)
            raise ValueError(f"{file}: {name} is {shape}: it must hold finite numbers of shape {list(own.shape)}")
    try:
        for name, layer, attribute in at:
            new = tensors[name].to(held[name])
            layer._parameters[attribute] = nn.Parameter(new, requires_grad=False)
        yield
    finally:
        for name, layer, attribute in at:
            layer._parameters[attribute] = held[name]
