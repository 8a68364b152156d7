"""Trains the microworld's base model from nothing; the checkpoint in microworld/checkpoint ships with the project.

    python -m microworld.model.pretrain --config config.yaml     (options: options.py; {} for the defaults)

Two to three hours on one core, as its parts took: the VAE, its decoder again, the text encoder (what captions and tasks
say, as a language model comes ready to a video model), and flow matching with the text encoder frozen, in STAGES:
`broad` and `settled` on clips that end when the thing is done, the one at a constant rate, the other while it falls in
the end; then, shortly, `filmed`: clips of which half end before, as filmed ones do whose captions tell what was meant,
most captions detailed, as large video models end on long captions written by a VLM. So the model knows more than it
shows, most of all under short prompts, but under D too: that is the room above the Demonstrator. It ends with scores on
held-out tasks, which are written beside the weights.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from microworld.model.build import MAX_TOKENS, make_parts, save
from microworld.model.captions import FACTS, UNKNOWN, facts
from microworld.model.clips import Clips, draw_clips
from microworld.model.options import PretrainOptions
from microworld.model.vae_training import fit_decoder, fit_vae, measure_latents, normalised_latents
from models.video.frame_vae import FrameVAE
from storage.folders import building
from storage.strict_yaml import read_yaml

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


class Reader(nn.Module):
    """Reads FACTS off a text encoder's output: a query each, one attention, one linear layer. Not kept."""

    def __init__(self, width: int):
        super().__init__()
        self.queries = nn.Parameter(torch.randn(len(FACTS), width) * 0.1)
        self.keys_values = nn.Linear(width, 2 * width)
        self.answers = nn.ModuleList([nn.Linear(width, count) for count in FACTS.values()])

    def forward(self, hidden: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy of the facts that texts tell. hidden [B, L, W], mask [B, L], labels int64 [B, facts]."""
        keys, values = self.keys_values(hidden).chunk(2, -1)
        weights = torch.einsum("qd,btd->bqt", self.queries, keys) * 4 / hidden.shape[-1] ** 0.5
        read = weights.masked_fill(mask[:, None] == 0, -1e9).softmax(-1) @ values
        losses = [
            nn.functional.cross_entropy(answer(read[:, i]), labels[:, i], ignore_index=UNKNOWN)
            for i, answer in enumerate(self.answers)
            if (labels[:, i] != UNKNOWN).any()
        ]
        return torch.stack(losses).mean()


def tokenise(tokenizer, texts: list[str]) -> tuple[Tensor, Tensor]:
    """ids and mask int64 [B, MAX_TOKENS]."""
    made = tokenizer(texts, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt")
    return made.input_ids, made.attention_mask


def fit_language(parts: dict, clips: Clips, options: PretrainOptions, rng: np.random.Generator) -> None:
    """The text encoder learns what captions and tasks say; it is frozen afterwards."""
    encoder, tokenizer = parts["text_encoder"].train(), parts["tokenizer"]
    reader = Reader(encoder.config.d_model)
    trained = [*encoder.parameters(), *reader.parameters()]
    optimizer = torch.optim.AdamW(trained, 3e-3, betas=(0.9, 0.98), weight_decay=0.01)
    for step in range(options.language_steps):
        rate(optimizer, 3e-3 * min(1, (step + 1) / 50) * falling(step, options.language_steps, 0.4))
        chosen = rng.integers(0, len(clips), 48)
        texts = [
            clips.tasks[i] if rng.random() < 0.2 else clips.caption(i, rng, options.language_loose_share)
            for i in chosen
        ]
        ids, mask = tokenise(tokenizer, texts)
        loss = reader(encoder(ids, mask).last_hidden_state, mask, torch.tensor([facts(text) for text in texts]))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        say("language", step, options.language_steps, loss)
    encoder.requires_grad_(False)


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


def take(parts: dict, folder: Path) -> None:
    """Puts a checkpoint's VAE, text encoder (frozen) and transformer into `parts`, to be trained further."""
    for name in ("vae", "text_encoder", "transformer"):
        parts[name] = type(parts[name]).from_pretrained(folder / name)
    parts["text_encoder"].requires_grad_(False)


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


def rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr


def falling(step: int, steps: int, share: float) -> float:
    """1, and over the last `share` of the steps a line down to 0; share 0: always 1."""
    return min(1.0, (1 - step / steps) / share) if share else 1.0


def say(what: str, step: int, steps: int, loss: Tensor) -> None:
    if step % 100 == 99:
        print(f"{what} {step + 1}/{steps}: loss {float(loss):.4f}", file=sys.stderr, flush=True)


def pretrain(options: PretrainOptions) -> dict:
    """Makes the model, saves it, and returns its scores (also in `scores.json` beside it)."""
    from microworld.model.score import score_model

    torch.manual_seed(options.seed)
    start, parts = time.perf_counter(), make_parts(seed=options.seed)
    if options.go_on_from:
        take(parts, Path(options.go_on_from))
    else:
        rng = np.random.default_rng(options.seed)
        clips = draw_clips(options.clips, rng)
        if options.vae_from:
            parts["vae"] = FrameVAE.from_pretrained(Path(options.vae_from) / "vae")
        else:
            fit_vae(parts["vae"], clips.pixels, options.vae_steps, rng)
            fit_decoder(parts["vae"], clips.pixels, options.decoder_steps, rng)
            measure_latents(parts["vae"], clips.pixels)
        fit_language(parts, clips, options, rng)
    for stage, steps in zip(STAGES, (options.broad_steps, options.settled_steps, options.filmed_steps), strict=True):
        if steps:
            fit_flow(parts, options, stage, steps)
    # In place of an older checkpoint only when it is whole, with its own scores.
    with building(Path(options.out)) as folder:
        save(parts, folder)
        scores = score_model(folder, options.held_out, options.seed + 1)
        minutes = (time.perf_counter() - start) / 60
        facts_of_it = {"options": options.model_dump(), "minutes": minutes, "scores": scores}
        (folder / "scores.json").write_text(json.dumps(facts_of_it, indent=2) + "\n")
    return scores


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="options (YAML); {} for the defaults")
    options = PretrainOptions.model_validate(read_yaml(parser.parse_args(arguments).config) or {})
    torch.set_num_threads(1)  # many small operations
    for prompt, shares in pretrain(options).items():
        print(f"under {prompt}: " + ", ".join(f"{name} {value:.3f}" for name, value in shares.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
