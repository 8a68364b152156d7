"""LPIPS (Zhang et al. 2018) whose backbone comes from a file of torchvision's: nothing is ever downloaded.

The linear layers are those that the `lpips` package carries (version 0.1).
"""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from lpips import LPIPS

FILES = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth"}


class NoBackbone(ValueError):
    """The file given as LPIPS's backbone is absent or no backbone."""


@lru_cache(maxsize=2)
def lpips_of(net: str, backbone: str, device: str) -> "LPIPS":
    """LPIPS of net "alex" or "vgg" in float32 on `device`, without gradients. Raises NoBackbone."""
    import lpips

    if not Path(backbone).is_file():
        raise NoBackbone(f"lpips_backbone {backbone} is no file: give torchvision's {FILES[net]}")
    try:
        saved = torch.load(backbone, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a file that is no weights
        raise NoBackbone(f"lpips_backbone {backbone} cannot be read as weights: {error}") from error
    network = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    _fill(network.net, saved, f"lpips_backbone {backbone}", net)
    return network.to(device).requires_grad_(False)


def _fill(trunk: torch.nn.Module, saved: object, what: str, net: str) -> None:
    """Puts torchvision's `features.N.weight` where the trunk has it: `sliceS.N.weight`, the same N."""
    weights = saved if isinstance(saved, dict) else {}
    asked = {name: f"features.{name.split('.', 1)[1]}" for name in trunk.state_dict()}
    missing = [place for place in asked.values() if not isinstance(weights.get(place), torch.Tensor)]
    if missing:
        raise NoBackbone(f"{what} lacks {missing[0]} and {len(missing) - 1} more: give torchvision's {FILES[net]}")
    try:
        trunk.load_state_dict({name: weights[place] for name, place in asked.items()})
    except RuntimeError as error:
        raise NoBackbone(f"{what} does not fit net {net}: give torchvision's {FILES[net]}") from error
