"""Models that predict clean data under noise of any size (EDM, Karras et al. 2022), made to speak velocity.

x_sigma = x_data + sigma noise; sigma falls from `sigma_max` (as 700) to 0. A denoiser D(x, sigma) predicts the data.
Its probability-flow ODE is dx/dsigma = (x - D) / sigma (Karras et al., Eq. 3 with their sigma(t) = t and s(t) = 1).
With that as velocity, samplers and losses are those of the flow models: x - sigma v is D.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from models.video.flow import along
from models.video.protocol import Condition


class Scales(NamedTuple):
    """The preconditioning of a network F at levels sigma [N], each [N]: D = c_skip x + c_out F(c_in x, c_noise)."""

    c_skip: Tensor
    c_out: Tensor
    c_in: Tensor
    c_noise: Tensor

    def denoised(self, network: Callable[[Tensor, Tensor], Tensor], x: Tensor) -> Tensor:
        """D [N, ...] from `network`(c_in x [N, ...], c_noise [N]) (Karras et al., Eq. 7)."""
        prediction = network(along(self.c_in, x) * x, self.c_noise)
        return along(self.c_skip, x) * x + along(self.c_out, x) * prediction


def edm_scales(sigma: Tensor, sigma_data: float = 0.5) -> Scales:
    """Those of EDM (Karras et al., Table 1) at sigma > 0, for data of standard deviation `sigma_data`."""
    total = sigma.square() + sigma_data**2
    return Scales(sigma_data**2 / total, sigma * sigma_data / total.sqrt(), total.rsqrt(), sigma.log() / 4)


def v_prediction_scales(sigma: Tensor) -> Scales:
    """Those of diffusers' EulerDiscreteScheduler with v_prediction (Stable Video Diffusion): EDM's for sigma_data 1,
    of a network with the opposite sign."""
    scales = edm_scales(sigma, 1.0)
    return scales._replace(c_out=-scales.c_out)


def karras_sigmas(steps: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """The sampler's levels float32 [steps + 1]: `steps` from sigma_max to sigma_min, then 0 (Karras et al., Eq. 5)."""
    ends = torch.tensor([sigma_max, sigma_min], dtype=torch.float64) ** (1 / rho)
    levels = torch.lerp(ends[0], ends[1], torch.linspace(0, 1, steps, dtype=torch.float64)) ** rho
    return torch.cat([levels, levels.new_zeros(1)]).float()


class EDM:
    """The parts of models.video.protocol.VideoModel that follow from a denoiser, for adapters to inherit.

    An adapter gives `denoised`, `device`, and the range of its levels; the rest of the protocol is its own.
    """

    sigma_min = 0.002
    sigma_max = 80.0
    device: torch.device

    def denoised(self, x: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
        """D(x, sigma), float32 like x [B, ...], at levels sigma float32 [B] above 0."""
        raise NotImplementedError

    def sigmas(self, steps: int) -> Tensor:
        return karras_sigmas(steps, self.sigma_min, self.sigma_max).to(self.device)

    def velocity(self, x: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
        return (x - self.denoised(x, sigma, condition)) / along(sigma, x)

    def noised(self, x0: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        return x0 + along(sigma, x0) * noise

    def target(self, x0: Tensor, noise: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        return (x - x0) / along(sigma, x)

    def start(self, noise: Tensor, condition: Condition) -> Tensor:
        return self.sigma_max * noise
