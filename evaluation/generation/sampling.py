"""From jobs to pixels: image and prompt encoded, noise drawn from the job alone, sampled, decoded."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from evaluation.generation.folder import Job
from evaluation.generation.options import SamplerOptions
from evaluation.images import read_image

if TYPE_CHECKING:
    from models.video.protocol import VideoModel


def sample_videos(
    model: "VideoModel", jobs: Sequence[Job], sampler: SamplerOptions, steps: int | None = None
) -> tuple[np.ndarray, list[bool]]:
    """Videos uint8 [B, T, H, W, 3] of the jobs, and whether each is finite: what is not shows nothing.

    The noise follows from sample id and seed, so that whoever acts, under whatever prompt and in whatever batch, starts
    from the same. Another batch changes no more than the last bits of floats: a value in 200,000, by 1, on a CPU. Only
    the first `steps` of the sampler's are made when given: enough to warm a GPU up.
    """
    import torch

    from models.video.pixels import fit
    from models.video.sampling import ode, sde
    from models.video.seeds import held_out_seed, seed_of

    with torch.no_grad():
        pixels = np.stack([fit(read_image(job.image.read_bytes()), model.shape) for job in jobs])
        condition = model.encode_image(torch.from_numpy(pixels)) | model.encode_prompt([job.prompt for job in jobs])
        condition = condition.to(model.device)
        seeds = [held_out_seed(job.seed, job.sample.sample_id) for job in jobs]
        start = model.start(model.noise(seeds), condition)
        sigmas = model.sigmas(sampler.steps).to(model.device)
        sigmas = sigmas if steps is None else sigmas[: steps + 1]

        def velocity(x, sigma):
            return model.velocity(x, sigma, condition)

        if sampler.kind == "ode":
            clean = ode(velocity, start, sigmas).clean
        else:
            fresh = [seed_of(seed, "sde") for seed in seeds]
            clean = sde(velocity, start, sigmas, eta=sampler.eta, noise=model.noise, seeds=fresh, mask=model.mask).clean
        finite = torch.isfinite(clean).flatten(1).all(1)
        videos = model.decode(torch.where(finite.view(-1, *[1] * (clean.ndim - 1)), clean, torch.zeros_like(clean)))
    return videos.numpy(), finite.tolist()
