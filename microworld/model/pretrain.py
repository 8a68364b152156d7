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
from pathlib import Path

import numpy as np
import torch

from microworld.model.flow_training import STAGES, fit_flow
from microworld.model.language_training import fit_language
from microworld.model.options import PretrainOptions
from microworld.model.parts import make_parts, save
from microworld.model.pretrain_clips import draw_clips
from microworld.model.vae_training import fit_decoder, fit_vae, measure_latents
from models.video.frame_vae import FrameVAE
from storage.folders import building
from storage.options import InvalidOptions, read_options


def take(parts: dict, folder: Path) -> None:
    """Puts a checkpoint's VAE, text encoder (frozen) and transformer into `parts`, to be trained further."""
    for name in ("vae", "text_encoder", "transformer"):
        parts[name] = type(parts[name]).from_pretrained(folder / name)
    parts["text_encoder"].requires_grad_(False)


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
    given = parser.parse_args(arguments)
    try:
        options = read_options(given.config, PretrainOptions, "the options of a checkpoint")
    except InvalidOptions as error:
        print(error, file=sys.stderr)
        return 2
    torch.set_num_threads(1)  # many small operations
    for prompt, shares in pretrain(options).items():
        print(f"under {prompt}: " + ", ".join(f"{name} {value:.3f}" for name, value in shares.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
