"""Policies as LoRA adapters, and tensors trained whole, on one frozen base: with all of them off, the base itself.

The Demonstrator (unless it is trained too) and the reference are the base, so no second copy of the weights exists. An
old policy or an EMA is a shadow: a copy of an adapter's trained tensors, swapped in for a forward pass.
"""

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from models.video.lora import put_on
from models.video.whole_tensors import places


class NoSuchLayer(ValueError):
    """A LoRA target that matches no layer of the model."""


def check_targets(transformer: nn.Module, targets: Sequence[str]) -> None:
    """Raises NoSuchLayer, with the layers there are, for a target that is no linear layer's name nor the end of one."""
    linear = [name for name, layer in transformer.named_modules() if isinstance(layer, nn.Linear)]
    for target in targets:
        if not any(name == target or name.endswith("." + target) for name in linear):
            ends = sorted({name.split(".", 2)[-1] for name in linear})
            raise NoSuchLayer(f"LoRA target {target!r} matches no linear layer. The model has: {', '.join(ends)[:600]}")


class Policies:
    """What is trained of one transformer: by policy a LoRA adapter, and its own copy of the tensors trained `whole`.

    `names` are the policies; their tensors are float32 whatever the base's precision. `whole` names layers or
    parameters of the transformer. With no policy in use all of it is the base, bit for bit.
    """

    def __init__(
        self,
        transformer: nn.Module,
        names: Sequence[str],
        *,
        rank: int,
        alpha: float,
        targets: Sequence[str],
        seed: int,
        whole: Sequence[str] = (),
    ):
        from peft import LoraConfig
        from peft.tuners.lora import LoraLayer

        check_targets(transformer, targets)
        try:
            whole_places = places(transformer, whole)
        except KeyError as error:
            raise NoSuchLayer(f"lora.whole: {error.args[0]}") from error
        transformer.requires_grad_(False)
        self.transformer, self.names = transformer, tuple(names)
        self._named: dict[str, dict[str, nn.Parameter]] = {}
        with torch.random.fork_rng(devices=[]):
            for number, name in enumerate(self.names):
                torch.manual_seed(seed + number)
                config = LoraConfig(
                    r=rank, lora_alpha=alpha, target_modules=list(targets), init_lora_weights="gaussian"
                )
                put_on(transformer, config, name)
        self._layers = [layer for layer in transformer.modules() if isinstance(layer, LoraLayer)]
        self._places = {key: (layer, attribute, layer._parameters[attribute]) for key, layer, attribute in whole_places}
        for name in self.names:
            found = {key: p for key, p in transformer.named_parameters() if f".{name}." in key and "lora_" in key}
            for parameter in found.values():
                parameter.data = parameter.data.float()
                parameter.requires_grad_(True)
            found |= {key: nn.Parameter(base.detach().float().clone()) for key, (_, _, base) in self._places.items()}
            self._named[name] = dict(sorted(found.items()))
        self._show(None)

    @property
    def whole(self) -> tuple[str, ...]:
        """The names of the parameters that are trained whole."""
        return tuple(self._places)

    def named(self, name: str) -> dict[str, nn.Parameter]:
        """The trained tensors of a policy by name, in a fixed order."""
        return self._named[name]

    def parameters(self, name: str) -> list[nn.Parameter]:
        return list(self._named[name].values())

    @contextlib.contextmanager
    def use(self, name: str | None) -> Iterator[None]:
        """Inside, the transformer is the policy `name`; None is the base."""
        before = self._active
        self._show(name)
        try:
            yield
        finally:
            self._show(before)

    def _show(self, name: str | None) -> None:
        # Set on each layer directly: peft's own switches also flip requires_grad, which must stay as it is.
        self._active = name
        for layer in self._layers:
            layer._disable_adapters = name is None
            layer._active_adapter = [name] if name is not None else [self.names[0]]
        for key, (layer, attribute, base) in self._places.items():
            # In the base's precision; gradients reach the float32 tensor through the cast.
            layer._parameters[attribute] = base if name is None else self._named[name][key].to(base.dtype)


class Shadow:
    """A float32 copy of trained tensors, e.g. an old policy or an EMA, that can stand in for them."""

    def __init__(self, parameters: Sequence[nn.Parameter]):
        self._live = list(parameters)
        self.tensors = [p.detach().clone() for p in self._live]

    @torch.no_grad()
    def update(self, decay: float) -> None:
        """shadow <- decay * shadow + (1 - decay) * live."""
        for shadow, live in zip(self.tensors, self._live, strict=True):
            shadow.lerp_(live.detach(), 1.0 - decay)

    @contextlib.contextmanager
    def swapped(self) -> Iterator[None]:
        """Inside, the live parameters hold the shadow's values; afterwards exactly what they held before."""
        held: list[Tensor] = [p.data for p in self._live]
        for parameter, shadow in zip(self._live, self.tensors, strict=True):
            parameter.data = shadow
        try:
            yield
        finally:
            for parameter, data in zip(self._live, held, strict=True):
                parameter.data = data
