"""Flow matching of the microworld's transformer, in stages, with the text encoder frozen."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from microworld.model.options import PretrainOptions
from microworld.model.parts import save, tokenise
from microworld.model.pretrain_clips import draw_clips
from microworld.model.rates import falling, rate, say
from microworld.model.vae_training import normalised_latents

SHIFT = 5.0  # leans noise levels towards noise, where motion is decided
MOTION = 8.0  # what a moving cell counts more than one at rest: the same optimum, reached sooner
MOVED = 0.35  # mean change of a cell's latents that counts as motion


@dataclass(frozen=True)
class Stage:
    """A stage of flow matching, on clips of its own.

    Of its captions a `loose_share` is loose, halves of it terse where it has `terse` ones; the rest are D and brief D.
    Its rate is a share of the usual one and falls to 0 over the last share `falling` of its steps.
    """

    name: str
    loose_share: float
    terse: bool = True
    unfinished_share: float = 0.0
    rate: float = 1.0
    falling: float = 0.0


STAGES = (
    Stage("broad", loose_share=0.6),
    Stage("settled", loose_share=0.8, terse=False, falling=0.7),
    Stage("filmed", loose_share=0.4, unfinished_share=0.5, rate=0.4, falling=1.0),
)


def fit_flow(parts: dict, options: PretrainOptions, stage: Stage, steps: int) -> None:
    """Flow matching (velocity noise - data) of the transformer, which ends as its EMA.

    Matrices inside blocks are trained by Muon, the rest by AdamW.
    """
    rng = np.random.default_rng([options.seed, *stage.name.encode()])
    clips = draw_clips(options.clips, rng, stage.unfinished_share)
    latents = normalised_latents(parts["vae"], clips.pixels)
    transformer, encoder, tokenizer = parts["transformer"].train(), parts["text_encoder"], parts["tokenizer"]
    trained = list(transformer.parameters())
    matrices = [p for name, p in transformer.named_parameters() if p.ndim == 2 and "blocks" in name]
    inside = {id(p) for p in matrices}
    muon = torch.optim.Muon(matrices, lr=0.015, weight_decay=0.01, momentum=0.95, adjust_lr_fn="original")
    adam = torch.optim.AdamW([p for p in trained if id(p) not in inside], 2e-3, betas=(0.9, 0.98), weight_decay=0.01)
    average = [p.detach().clone() for p in trained]
    generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
    for step in range(steps):
        factor = stage.rate * min(1.0, (step + 1) / 40) * falling(step, steps, stage.falling)
        rate(adam, 2e-3 * factor)
        rate(muon, 0.015 * factor)
        chosen = rng.integers(0, len(clips), options.batch)
        ids, mask = tokenise(tokenizer, [clips.caption(i, rng, stage.loose_share, stage.terse) for i in chosen])
        x0 = latents[chosen].float()
        level = torch.rand(options.batch, generator=generator)
        sigma = SHIFT * level / (1 + (SHIFT - 1) * level)
        noise = torch.randn(x0.shape, generator=generator)
        along = sigma.view(-1, 1, 1, 1, 1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with torch.no_grad():
                hidden = encoder(ids, mask).last_hidden_state
            inputs = torch.cat([(1 - along) * x0 + along * noise, first_frame(x0)], dim=1)
            velocity = transformer(inputs, sigma * 1000, hidden * mask[..., None], return_dict=False)[0]
        loss = (motion_weights(x0) * (velocity.float() - (noise - x0)).square()).mean()
        adam.zero_grad()
        muon.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        adam.step()
        muon.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, trained, 1 - min(0.995, (2 + step) / (11 + step)))
        say(stage.name, step, steps, loss)
        if options.keep_every and (step + 1) % options.keep_every == 0:
            keep(parts, average, Path(f"{options.out}-{stage.name}-{step + 1}"))
    with torch.no_grad():
        torch._foreach_copy_(trained, average)


@torch.no_grad()
def keep(parts: dict, average: list[Tensor], folder: Path) -> None:
    """Saves the parts with the moving average as the transformer, which goes on as it was."""
    trained = list(parts["transformer"].parameters())
    current = [p.detach().clone() for p in trained]
    torch._foreach_copy_(trained, average)
    save(parts, folder)
    torch._foreach_copy_(trained, current)


def motion_weights(x0: Tensor) -> Tensor:
    """Weights [B, 1, T, h, w] of mean 1: cells that differ from the first frame, and those beside them, count more."""
    moved = (x0 - x0[:, :, :1]).abs().mean(1, keepdim=True) > MOVED
    weights = 1 + MOTION * nn.functional.max_pool3d(moved.float(), (1, 3, 3), 1, (0, 1, 1))
    return weights / weights.mean()


def first_frame(x0: Tensor) -> Tensor:
    """What conditions on the first frame: a mask [B, 1, ...] and its latents beside every frame (see FrameVAE)."""
    mask = x0.new_zeros((len(x0), 1, *x0.shape[2:]))
    mask[:, :, 0] = 1
    return torch.cat([mask, x0[:, :, :1].expand_as(x0)], dim=1)
